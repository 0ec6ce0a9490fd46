import { QuantizeError } from '../../errors.js';
import { isObject, parseJson, type Json, type JsonObject } from '../../formats/folder/json.js';
import { quoted } from '../../containers/invalid-file.js';
import { u32 } from '../../containers/gguf/key-values.js';
import type { Checkpoint } from '../checkpoint.js';
import type { KeyList } from '../key-list.js';

/** How llama.cpp numbers what makes one vector of the vectors of all tokens. */
export const POOLINGS = { mean: 1, cls: 2, last: 3 } as const;

/** The settings of older versions of sentence-transformers: the first that is on counts. */
const SWITCHES = [
  ['pooling_mode_mean_tokens', POOLINGS.mean],
  ['pooling_mode_cls_token', POOLINGS.cls],
  ['pooling_mode_lasttoken', POOLINGS.last],
] as const;

/** The names of newer ones. */
const MODES = new Map<Json | undefined, number>([
  ['mean', POOLINGS.mean],
  ['cls', POOLINGS.cls],
  ['lasttoken', POOLINGS.last],
]);

const MODULES_NAME = 'modules.json';

/** Writes `<architecture>.pooling_type` where the folder says how vectors are pooled. Rejects as `poolingType` does. */
export async function setPooling(pairs: KeyList, checkpoint: Checkpoint, architecture: string): Promise<void> {
  const type = await poolingType(checkpoint);
  if (type !== undefined) pairs.set(u32(`${architecture}.pooling_type`, type));
}

/**
 * How the vectors of all tokens become one, as a folder of sentence-transformers says it: the number that llama.cpp has for
 * it, of the first module in modules.json that pools; undefined where there is none. Rejects with `invalid_file` where the
 * files contradict what sentence-transformers writes, and with `unsupported_model` for what llama.cpp does not know.
 */
export async function poolingType(checkpoint: Checkpoint): Promise<number | undefined> {
  const folder = await poolingFolder(checkpoint);
  if (folder === undefined) return undefined;
  const name = folder === '' ? 'config.json' : `${folder}/config.json`;
  const config = await checkpoint.files.object(name);
  if (config === null) throw await checkpoint.files.wrong(MODULES_NAME, `there is no ${quoted(name)}, which it names`);
  const found = SWITCHES.find(([key]) => isTrue(config.get(key)));
  const type = found === undefined ? MODES.get(config.get('pooling_mode')) : found[1];
  if (type !== undefined) return type;
  const detail = `${quoted(name)} asks for a kind of pooling that llama.cpp does not have; it has mean, cls and lasttoken`;
  throw new QuantizeError('unsupported_model', { file: checkpoint.name, detail });
}

/** Where the settings of the module that pools lie. */
async function poolingFolder({ files }: Checkpoint): Promise<string | undefined> {
  const text = await files.text(MODULES_NAME);
  if (text === null) return undefined;
  const modules = listIn(text);
  if (modules === undefined) throw await files.wrong(MODULES_NAME, 'it is no list of modules');
  for (const module of modules) {
    const type = module.get('type');
    if (typeof type !== 'string') throw await files.wrong(MODULES_NAME, 'a module in it has no "type"');
    if (!type.endsWith('Pooling')) continue;
    const path = module.get('path');
    if (typeof path !== 'string') throw await files.wrong(MODULES_NAME, 'the module that pools has no "path"');
    return path
      .split('/')
      .filter((part) => part !== '' && part !== '.')
      .join('/');
  }
  return undefined;
}

function listIn(text: string): readonly JsonObject[] | undefined {
  try {
    const value = parseJson(text);
    return Array.isArray(value) && (value as readonly Json[]).every(isObject)
      ? (value as readonly JsonObject[])
      : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** As Python has it: what is neither nothing nor empty. */
function isTrue(value: Json | undefined): boolean {
  if (value === undefined || value === null || typeof value === 'boolean') return value === true;
  if (typeof value === 'string') return value !== '';
  if (isObject(value)) return value.size > 0;
  return 'number' in value ? Number(value.number) !== 0 : value.length > 0;
}
