/** The config.json of a model: what it says, and what a quantized model's says besides. */

import { decodeJson } from '../../containers/json.js';
import { invalidFile, quoted } from '../../containers/invalid-file.js';
import { encodeUtf8 } from '../../containers/utf8.js';
import { readWholeFile } from '../../models/whole-file.js';
import { QuantizeError } from '../../errors.js';
import type { ByteSource } from '../../io/byte-io.js';
import type { Model } from '../../models/model.js';
import { isObject, parseJson, type JsonObject } from './json.js';

export const CONFIG_NAME = 'config.json';

/** Published ones have some kilobytes; those with a label for each of many classes a few hundred. */
const MAX_BYTES = 16 * 2 ** 20;

/**
 * What the config.json beside the model says. Rejects with `unsupported_model` where there is none: nothing else says what
 * the model is, and what is written would not open.
 */
export async function readConfig(model: Model, title: string): Promise<JsonObject> {
  const source = await model.companions.find(CONFIG_NAME);
  if (source !== null) return readJsonFile(source);
  const detail = `there is no ${CONFIG_NAME} beside it, which ${title} needs; give the folder of the model, or put it there`;
  throw new QuantizeError('unsupported_model', { file: model.name, detail });
}

/** The JSON object in a file. Rejects with `invalid_file` for anything else. */
export async function readJsonFile(source: ByteSource): Promise<JsonObject> {
  const text = await readTextFile(source);
  let value;
  try {
    value = parseJson(text);
  } catch (cause) {
    throw invalidFile(source, cause instanceof SyntaxError ? cause.message : 'it is no JSON', { cause });
  }
  if (!isObject(value)) throw invalidFile(source, 'it is JSON, but no object');
  return value;
}

/** The text in a file. Rejects with `invalid_file` for one that is too large, or no UTF-8. */
export const readTextFile = async (source: ByteSource): Promise<string> =>
  decodeJson(await readWholeFile(source, MAX_BYTES), source, source.fileName);

/** The text under a name; undefined where there is none. */
export function textUnder(config: JsonObject, name: string): string | undefined {
  const value = config.get(name);
  return typeof value === 'string' ? value : undefined;
}

/** What the model is, by the name that transformers has for such models. Throws `unsupported_model`. */
export function modelTypeOf(config: JsonObject, model: Model): string {
  const type = textUnder(config, 'model_type');
  if (type !== undefined) return type;
  const detail = `${CONFIG_NAME} has no ${quoted('model_type')}, which says what the model is`;
  throw new QuantizeError('unsupported_model', { file: model.name, detail });
}

export const textFile = (name: string, text: string): { readonly name: string; readonly content: Uint8Array } => ({
  name,
  content: encodeUtf8(text),
});
