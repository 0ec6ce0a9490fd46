import type { Model } from '../../models/model.js';
import type { ConversionPlan } from '../../plan/plan.js';
import { QuantizeError } from '../../errors.js';
import { invalidOption } from '../../checks.js';
import { companionsOf } from '../folder/companions.js';
import { CONFIG_NAME, readConfig, textFile, textUnder } from '../folder/config.js';
import { printJson, type Json, type JsonObject } from '../folder/json.js';
import type { FormatQuantization } from '../format.js';
import { moduleKinds, type ModuleKinds } from './kinds.js';
import type { ModulePlan } from './plan.js';

/** Size of files that transformers writes, where nothing else is asked for. */
const SPLIT_BYTES = 50e9;

/** What other programs have said in it of weights that are not theirs any more. */
const REMOVED: readonly string[] = ['quantization', 'quantization_config'];

/** A model as transformers has it, on its way into a folder. */
export interface ModuleModel {
  readonly config: JsonObject;
  readonly architecture: string;
  readonly kinds: ModuleKinds;
}

/**
 * What config.json says of a model whose modules have the names of transformers. Rejects with `unsupported_model` where there is
 * none, or nobody knows the architecture, and for files with names of their own.
 */
export async function readModuleModel(
  model: Model,
  given: FormatQuantization['given'],
  title: string,
): Promise<ModuleModel> {
  if (model.hasFinalNames) {
    const detail = `${title} has the names that transformers knows, and ${model.container} files have others; give the model that it was made from`;
    throw new QuantizeError('unsupported_model', { file: model.name, detail });
  }
  const config = await readConfig(model, title);
  const architecture = readArchitecture(given.architecture) ?? textUnder(config, 'model_type') ?? null;
  const kinds = moduleKinds(architecture, model.name);
  return { config, architecture: architecture ?? '', kinds };
}

function readArchitecture(value: unknown): string | undefined {
  if (value === undefined || typeof value === 'string') return value;
  throw invalidOption('architecture', value, 'a model_type of transformers, or none');
}

/** What is said of the whole output. */
export interface FolderWords {
  /** What the report calls the type. */
  readonly type: string;
  readonly opensIn: readonly string[];
  /** What config.json gets as `quantization_config`. */
  readonly quantization: Json;
}

/** A folder as transformers saves models. */
export async function planFolder(
  model: Model,
  { config, architecture }: ModuleModel,
  { steps, dropped, warnings, staleTexts, container, layout }: ModulePlan,
  { splitBytes }: FormatQuantization,
  { type, opensIn, quantization }: FolderWords,
): Promise<ConversionPlan> {
  const companions = [...(await companionsOf(model)), textFile(CONFIG_NAME, configText(config, quantization))];
  return {
    ...{ container, layout, steps, dropped, warnings, staleTexts, architecture, opensIn, type },
    ...{ facts: [], limits: undefined, notIn: [], notes: [] },
    splitBytes: splitBytes ?? SPLIT_BYTES,
    folder: { file: 'model.safetensors', companions },
    texts: new Map([['format', 'pt']]),
  };
}

/** config.json as transformers writes it: sorted by names. */
function configText(config: JsonObject, quantization: Json): string {
  const members = [...config].filter(([name]) => !REMOVED.includes(name));
  members.push(['quantization_config', quantization]);
  members.sort(([a], [b]) => (a < b ? -1 : Number(a > b)));
  return `${printJson(new Map(members), 2)}\n`;
}

/** Values of JavaScript as JSON; a JsonNumber stays as it is written. */
export function jsonOf(value: unknown): Json {
  if (typeof value === 'number') return { number: String(value) };
  if (Array.isArray(value)) return value.map(jsonOf);
  if (typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) return null;
  if ('number' in value && typeof value.number === 'string') return { number: value.number };
  return new Map(Object.entries(value).map(([name, member]) => [name, jsonOf(member)]));
}
