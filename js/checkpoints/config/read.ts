import { invalidFile, quoted } from '../../containers/invalid-file.js';
import { QuantizeError } from '../../errors.js';
import { CONFIG_NAME } from '../../formats/folder/config.js';
import { isObject, type Json, type JsonObject } from '../../formats/folder/json.js';
import type { CheckpointFiles } from '../files.js';
import { completed } from './completed.js';
import { Hparams } from './hparams.js';
import { ropeParameters } from './rope.js';

export interface CheckpointConfig {
  /** config.json with the defaults of its kind of model, and its text model's part merged over it. */
  readonly hparams: Hparams;
  /** What the config calls the model's class; the first one counts. */
  readonly classes: readonly string[];
  /** How positions are rotated. */
  readonly rope: Hparams;
}

/** Where the text model's part may stand, the last one counts. */
const TEXT_PARTS = [
  ['llm_config'],
  ['lm_config'],
  ['thinker_config', 'text_config'],
  ['language_config'],
  ['lfm'],
] as const;

/** Those whose own class counts, not that of their text model. */
const OWN_CLASS: ReadonlySet<string | undefined> = new Set([
  'Exaone4_5_ForConditionalGeneration',
  'KimiK3ForConditionalGeneration',
  'Sarashina2VisionForCausalLM',
  'Step3p7ForConditionalGeneration',
  'StepVLForConditionalGeneration',
]);

/**
 * What config.json says, as llama.cpp's converter sees it. `model` is what errors call the checkpoint. Rejects with
 * `unsupported_model` where there is no config.json or none that names the model's class, with `invalid_file` where one
 * contradicts itself.
 */
export async function readConfig(files: CheckpointFiles, model = CONFIG_NAME): Promise<CheckpointConfig> {
  const object = await files.object(CONFIG_NAME);
  const file = await files.source(CONFIG_NAME);
  if (object === null || file === null) {
    const detail = `there is no ${CONFIG_NAME} beside the weights; give the folder of the model, or put it there`;
    throw new QuantizeError('unsupported_model', { file: model, detail });
  }
  const wrong = (detail: string): Error => invalidFile(file, detail);
  const config = withTextPart(completed(object), wrong);
  const classes = classesOf(config, wrong);
  if (classes.length === 0) {
    const detail = `${CONFIG_NAME} has no ${quoted('architectures')}, which says what the model is`;
    throw new QuantizeError('unsupported_model', { file: model, detail });
  }
  const text = config.get('text_config');
  const values = isObject(text) ? new Map([...config, ...text]) : config;
  const rope = ropeParameters(values);
  if (rope === undefined) throw wrong(`${quoted('rope_scaling')} must be an object`);
  return { hparams: new Hparams(values, file), classes, rope: new Hparams(rope, file) };
}

/** The config with its text model's part under the one name. Throws where that is no object. */
function withTextPart(config: JsonObject, wrong: (detail: string) => Error): JsonObject {
  let whole = config;
  for (const path of TEXT_PARTS) {
    const [first] = path;
    if (!config.has(first)) continue;
    const part = path.reduce<Json | undefined>(
      (value, name) => (isObject(value) ? value.get(name) : undefined),
      config,
    );
    if (part === undefined) throw wrong(`${quoted(first)} must be an object with the text model's part`);
    whole = new Map([...whole, ['text_config', part]]);
  }
  const text = whole.get('text_config');
  if (text !== undefined && !isObject(text)) throw wrong(`${quoted('text_config')} must be an object`);
  return whole;
}

function classesOf(config: JsonObject, wrong: (detail: string) => Error): readonly string[] {
  const own = namesIn(config, wrong);
  if (OWN_CLASS.has(own[0])) return own;
  const text = config.get('text_config');
  const ofText = isObject(text) ? namesIn(text, wrong) : [];
  return ofText.length > 0 ? ofText : own;
}

function namesIn(config: JsonObject, wrong: (detail: string) => Error): readonly string[] {
  const names = config.get('architectures') ?? [];
  if (!Array.isArray(names) || !names.every((name) => typeof name === 'string')) {
    throw wrong(`${quoted('architectures')} must be a list of names`);
  }
  return names;
}
