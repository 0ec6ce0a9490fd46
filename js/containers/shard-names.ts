import { QuantizeError } from '../errors.js';
import { invalidFile, quoted } from './invalid-file.js';
import { readHead, type Recognizer } from './foreign-files.js';
import type { ByteSource } from '../io/byte-io.js';

/** The largest published models have about 200 shards; each one is an open file. */
export const MAX_SHARDS = 500;

/** Which file of a sharded model one is, by its name. */
export interface ShardPlace {
  /** From 1 on. */
  readonly number: number;
  readonly count: number;
  /** What the shard of that number is called. */
  readonly nameOf: (number: number) => string;
}

/** `model-00001-of-00003.safetensors`; a single digit may be anything, such as a version. */
const NUMBERED = /^(.*[-_.])(\d{2,9})([-_]of[-_](\d{2,9})(?:\.[^/\\]*)?)$/is;

/** What a name says; null when it is not that of one shard of several. */
export function shardPlace(fileName: string): ShardPlace | null {
  const [, stem, number, ending, count] = NUMBERED.exec(fileName) ?? [];
  if (stem === undefined || number === undefined || ending === undefined || Number(count) <= 1) return null;
  return {
    number: Number(number),
    count: Number(count),
    nameOf: (other) => `${stem}${String(other).padStart(number.length, '0')}${ending}`,
  };
}

/** A file of the model that `source` belongs to. Rejects when it is something else altogether. */
export async function openSibling(source: ByteSource, name: string, recognizes: Recognizer): Promise<ByteSource> {
  const sibling = await source.sibling(name);
  try {
    await readHead(sibling, recognizes);
    return sibling;
  } catch (error) {
    await sibling.close();
    throw error;
  }
}

/**
 * All shards of the model that `source` is one of, in order; `source` itself is among them. What was opened is closed
 * again if this rejects, except `source`.
 */
export async function openNumbered(
  source: ByteSource,
  { number, count, nameOf }: ShardPlace,
  recognizes: Recognizer,
): Promise<readonly ByteSource[]> {
  if (number < 1 || number > count) {
    const detail = `it is shard ${number} of ${count} by its name, which cannot be; rename it if it is a whole model`;
    throw invalidFile(source, detail);
  }
  checkCount(count, source);
  const shards: ByteSource[] = [];
  try {
    for (let other = 1; other <= count; ++other) {
      shards.push(other === number ? source : await openSibling(source, nameOf(other), recognizes));
    }
    return shards;
  } catch (error) {
    await closeOthers(shards, source);
    throw error instanceof QuantizeError ? withReason(error, source, count) : error;
  }
}

/** Throws `invalid_file` for a model of more shards than can be opened. */
export function checkCount(count: number, source: ByteSource): void {
  if (count > MAX_SHARDS) throw invalidFile(source, `its ${count} shards are over the limit of ${MAX_SHARDS}`);
}

/** Who gave one file wants to know why another one is missed. */
function withReason(error: QuantizeError, source: ByteSource, count: number): QuantizeError {
  if (error.code !== 'missing_shard') return error;
  const { file, detail, cause } = error;
  const reason = `${quoted(source.fileName)} is one of ${count} files that make a model together`;
  const about = { detail: detail === undefined ? reason : `${detail}; ${reason}`, cause };
  return new QuantizeError('missing_shard', file === undefined ? about : { file, ...about });
}

export async function closeOthers(opened: readonly ByteSource[], source: ByteSource): Promise<void> {
  await Promise.all(opened.filter((one) => one !== source).map((one) => one.close()));
}
