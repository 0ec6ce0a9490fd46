import { decodeJson, isRecord, parseJsonText } from '../containers/json.js';
import { readWholeFile } from './whole-file.js';
import type { Companions } from './companions.js';

/** What programs that run a language model read beside its weights. */
export const CONFIG_FILE = 'config.json';
/** Entries for every module of a large model take some hundred kilobytes. */
const MOST_CONFIG_BYTES = 2 ** 24;

export type ModelConfig = Readonly<Record<string, unknown>>;

/**
 * The model's config.json; null where there is none. Rejects with `invalid_file` for one that is no JSON object, nests deeper
 * than headers may, or is too long. NaN and infinities, which Python writes, are null.
 */
export async function readModelConfig(companions: Companions): Promise<ModelConfig | null> {
  const file = await companions.find(CONFIG_FILE);
  if (file === null) return null;
  const bytes = await readWholeFile(file, MOST_CONFIG_BYTES);
  return parseJsonText(withNulls(decodeJson(bytes, file, 'the text')), file, 'the text', 0);
}

/** Python writes numbers that JSON has not, as in `"time_step_limit": [0.0, Infinity]`; no key that is read here has such a one. */
const withNulls = (text: string): string =>
  text.replace(/"[^"\\]*(?:\\.[^"\\]*)*"|-?Infinity|NaN/gsu, (found) => (found.startsWith('"') ? found : 'null'));

/** The value of a key that is an object; null where it is none. */
export const objectIn = (config: ModelConfig | null, key: string): ModelConfig | null => {
  const value = config !== null && Object.hasOwn(config, key) ? config[key] : undefined;
  return isRecord(value) ? value : null;
};
