import { QuantizeError } from '../errors.js';
import type { StoredTensor } from './container.js';
import { invalidFile, quoted } from './errors.js';
import type { ByteSource } from './io.js';
import { isRecord, parseJsonObject } from './json.js';
import { assembleTensors } from './safetensors-affine.js';
import { readHeader } from './safetensors-header.js';

/** An index has about 100 bytes a tensor; the format's own limit for a header is a generous one for it too. */
const MAX_INDEX_BYTES = 100_000_000;

/** The largest published models have about 200; each one is an open file. */
const MAX_SHARDS = 500;

export interface Shards {
  /** The index first. */
  readonly sources: readonly ByteSource[];
  readonly tensors: readonly StoredTensor[];
  readonly metadata: ReadonlyMap<string, string>;
}

/** Whether a file is the index of a sharded model: JSON text has no zero bytes, the length of a header always has. */
export const looksLikeIndex = (head: Uint8Array): boolean => head[0] === '{'.charCodeAt(0) && !head.includes(0);

/**
 * Opens all shards that the index at `index` lists. The model has every tensor of every shard; the index must be right
 * about those that it lists. Whatever was opened is closed again if this rejects, except `index` itself.
 */
export async function openShards(index: ByteSource): Promise<Shards> {
  const listed = await readIndex(index);
  const shards: ByteSource[] = [];
  try {
    const tensors = new Map<string, StoredTensor>();
    const metadata = new Map<string, string>();
    for (const [file, names] of listed) {
      const shard = await index.sibling(file);
      shards.push(shard);
      const header = await readHeader(shard);
      for (const tensor of assembleTensors(header, shard)) {
        if (tensors.has(tensor.name)) {
          throw invalidFile(shard, `tensor ${quoted(tensor.name)} is in another shard too`, { layer: tensor.name });
        }
        tensors.set(tensor.name, tensor);
      }
      const present = new Set(header.entries.map(({ name }) => name));
      const missing = names.find((name) => !present.has(name));
      if (missing !== undefined) throw new QuantizeError('missing_tensor', { file: shard.name, layer: missing });
      for (const [key, text] of header.metadata) if (!metadata.has(key)) metadata.set(key, text);
    }
    return { sources: [index, ...shards], tensors: [...tensors.values()], metadata };
  } catch (error) {
    await Promise.all(shards.map((shard) => shard.close()));
    throw error;
  }
}

/** The shards that an index lists, with the names of the tensors in each. */
async function readIndex(index: ByteSource): Promise<ReadonlyMap<string, readonly string[]>> {
  if (index.size > MAX_INDEX_BYTES) {
    throw invalidFile(index, `its ${index.size} bytes are over the limit of ${MAX_INDEX_BYTES} for an index`);
  }
  const bytes = new Uint8Array(index.size);
  await index.read(bytes, 0);
  const { weight_map: map } = parseJsonObject(bytes, index, 'the index', 2);
  if (!isRecord(map)) throw invalidFile(index, 'the index has no weight_map');
  const listed = new Map<string, string[]>();
  for (const [name, file] of Object.entries(map)) {
    if (!isFileName(file)) {
      throw invalidFile(index, `the index gives tensor ${quoted(name)} no valid file name`, { layer: name });
    }
    const names = listed.get(file);
    if (names === undefined) listed.set(file, [name]);
    else names.push(name);
  }
  if (listed.size > MAX_SHARDS) {
    throw invalidFile(index, `its ${listed.size} shards are over the limit of ${MAX_SHARDS}`);
  }
  return listed;
}

/** An index must not reach out of its folder, nor steer the terminal that an error is printed on. */
const isFileName = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && value !== '.' && value !== '..' && !/[/\\\p{Cc}]/u.test(value);
