import { QuantizeError } from '../../errors.js';
import type { StoredTensor } from '../container.js';
import { invalidFile, quoted } from '../invalid-file.js';
import type { ByteSource } from '../../io/byte-io.js';
import { isRecord, parseJsonObject } from '../json.js';
import { assembleTensors } from '../../layouts/affine.js';
import { looksLikeSafetensors, readHeader } from './header.js';
import { checkCount, closeOthers, openNumbered, openSibling, shardPlace } from '../shard-names.js';

/** An index has about 100 bytes a tensor; the format's own limit for a header is a generous one for it too. */
const MAX_INDEX_BYTES = 100_000_000;

export interface Shards {
  /** The index first, if that is what was given. */
  readonly sources: readonly ByteSource[];
  readonly tensors: readonly StoredTensor[];
  readonly metadata: ReadonlyMap<string, string>;
}

const BYTE_ORDER_MARK: readonly number[] = [0xef, 0xbb, 0xbf];

/** Whether a file is the index of a sharded model: JSON text has no zero bytes, the length of a header always has. */
export function looksLikeIndex(head: Uint8Array): boolean {
  const marked = BYTE_ORDER_MARK.every((byte, at) => head[at] === byte);
  const text = head.subarray(marked ? BYTE_ORDER_MARK.length : 0);
  return text.find((byte) => !WHITE_SPACE.includes(byte)) === '{'.charCodeAt(0) && !head.includes(0);
}

const WHITE_SPACE = Array.from(' \t\n\r', (character) => character.charCodeAt(0));

/**
 * Opens all shards that the index at `index` lists. The model has every tensor of every shard; the index must be right
 * about those that it lists. Whatever was opened is closed again if this rejects, except `index` itself.
 */
export async function openIndexed(index: ByteSource): Promise<Shards> {
  const listed = await readIndex(index);
  const shards: ByteSource[] = [];
  try {
    for (const file of listed.keys()) shards.push(await openSibling(index, file, looksLikeSafetensors));
    return { ...(await mergeShards(shards, [...listed.values()])), sources: [index, ...shards] };
  } catch (error) {
    await closeOthers(shards, index);
    throw error;
  }
}

/** Opens the model that `source` is, or is one shard of by its name. Closes what it opened as `openIndexed` does. */
export async function openNumberedShards(source: ByteSource): Promise<Shards> {
  const place = shardPlace(source.fileName);
  const shards = place === null ? [source] : await openNumbered(source, place, looksLikeSafetensors);
  try {
    return { ...(await mergeShards(shards)), sources: shards };
  } catch (error) {
    await closeOthers(shards, source);
    throw error;
  }
}

/** `listed` has for each shard the names of tensors that must be in it. */
async function mergeShards(
  shards: readonly ByteSource[],
  listed: readonly (readonly string[])[] = [],
): Promise<Omit<Shards, 'sources'>> {
  const tensors = new Map<string, StoredTensor>();
  const metadata = new Map<string, string>();
  for (const [index, shard] of shards.entries()) {
    const header = await readHeader(shard);
    for (const tensor of assembleTensors(header, shard)) {
      if (tensors.has(tensor.name)) {
        throw invalidFile(shard, `tensor ${quoted(tensor.name)} is in another shard too`, { layer: tensor.name });
      }
      tensors.set(tensor.name, tensor);
    }
    const present = new Set(header.entries.map(({ name }) => name));
    const missing = listed[index]?.find((name) => !present.has(name));
    if (missing !== undefined) throw new QuantizeError('missing_tensor', { file: shard.name, layer: missing });
    for (const [key, text] of header.metadata) if (!metadata.has(key)) metadata.set(key, text);
  }
  return { tensors: [...tensors.values()], metadata };
}

/** The shards that an index lists, with the names of the tensors in each. */
async function readIndex(index: ByteSource): Promise<ReadonlyMap<string, readonly string[]>> {
  if (index.size > MAX_INDEX_BYTES) {
    throw invalidFile(index, `its ${index.size} bytes are over the limit of ${MAX_INDEX_BYTES} for an index`);
  }
  const bytes = new Uint8Array(index.size);
  await index.read(bytes, 0);
  const { weight_map: map } = parseJsonObject(bytes, index, 'the index', 2);
  if (!isRecord(map)) throw invalidFile(index, 'it is JSON, but no index of a sharded model: it has no weight_map');
  const listed = new Map<string, string[]>();
  for (const [name, path] of Object.entries(map)) {
    const file = readPath(path, name, index);
    const names = listed.get(file);
    if (names === undefined) listed.set(file, [name]);
    else names.push(name);
  }
  checkCount(listed.size, index);
  return listed;
}

/**
 * The path of a tensor's file without empty and `.` parts. It must not lead out of the index's folder, nor steer the
 * terminal that an error is printed on.
 */
function readPath(path: unknown, tensor: string, index: ByteSource): string {
  const fail = (reason: string): QuantizeError => {
    const detail = `the index gives tensor ${quoted(tensor)} no valid file name: ${reason}`;
    return invalidFile(index, detail, { layer: tensor });
  };
  if (typeof path !== 'string' || path === '') throw fail('it must be a text');
  const file = quoted(path);
  if (/[\p{Cc}\p{Cs}]/u.test(path)) throw fail(`${file} has characters that no name can have`);
  if (path.includes('\\')) throw fail(`${file} has "\\" in it, folders must end with "/"`);
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (path.startsWith('/') || parts.includes('..') || /^[a-z]:/i.test(path)) {
    throw fail(`${file} must lie in the folder of the index`);
  }
  if (parts.length === 0 || path.endsWith('/')) throw fail(`${file} is a folder`);
  return parts.join('/');
}
