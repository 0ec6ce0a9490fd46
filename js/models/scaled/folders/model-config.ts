import { isRecord, parseJsonObject } from '../../../containers/json.js';
import { invalidFile } from '../../../containers/invalid-file.js';
import { QuantizeError } from '../../../errors.js';
import type { ByteSource } from '../../../io/byte-io.js';

/** What programs that run a language model read beside its weights. */
const CONFIG_FILE = 'config.json';
/** Entries for every module of a large model take some hundred kilobytes. */
const MOST_CONFIG_BYTES = 2 ** 24;

export type ModelConfig = Readonly<Record<string, unknown>>;

/**
 * The model's config.json, which lies beside `source`; null where there is none. Rejects with `invalid_file` for one that is no
 * JSON object, or too long.
 */
export async function readModelConfig(source: ByteSource): Promise<ModelConfig | null> {
  const file = await siblingOf(source);
  if (file === null) return null;
  try {
    if (file.size > MOST_CONFIG_BYTES) {
      throw invalidFile(file, `its ${file.size} bytes are over the limit of ${MOST_CONFIG_BYTES} for such a text`);
    }
    const bytes = new Uint8Array(file.size);
    await file.read(bytes, 0);
    return parseJsonObject(bytes, file, 'it', 0);
  } finally {
    await file.close();
  }
}

async function siblingOf(source: ByteSource): Promise<ByteSource | null> {
  try {
    return await source.sibling(CONFIG_FILE);
  } catch (error) {
    if (error instanceof QuantizeError && error.code === 'missing_shard') return null;
    throw error;
  }
}

/** The value of a key that is an object; null where it is none. */
export const objectIn = (config: ModelConfig | null, key: string): ModelConfig | null => {
  const value = config !== null && Object.hasOwn(config, key) ? config[key] : undefined;
  return isRecord(value) ? value : null;
};
