import { QuantizeError } from '../errors.js';
import type { FilePart, OpenedFiles, ShardFormat } from './container.js';
import { invalidFile, quoted } from './invalid-file.js';
import type { ByteSource } from '../io/byte-io.js';
import { isRecord, parseJsonObject } from './json.js';
import { checkCount, closeOthers, openNumbered, openSibling, shardPlace } from './shard-names.js';

/** An index has about 100 bytes a tensor; the format's own limit for a header is a generous one for it too. */
const MAX_INDEX_BYTES = 100_000_000;

const BYTE_ORDER_MARK: readonly number[] = [0xef, 0xbb, 0xbf];

/** Whether a file is the index of a sharded model: JSON text has no zero bytes, the length of a header always has. */
export function looksLikeIndex(head: Uint8Array): boolean {
  const marked = BYTE_ORDER_MARK.every((byte, at) => head[at] === byte);
  const text = head.subarray(marked ? BYTE_ORDER_MARK.length : 0);
  return text.find((byte) => !WHITE_SPACE.includes(byte)) === '{'.charCodeAt(0) && !head.includes(0);
}

const WHITE_SPACE = Array.from(' \t\n\r', (character) => character.charCodeAt(0));

/**
 * Opens all shards that the index at `index` lists, which are of the first shard's format, or have none (MLC-LLM). The model has every tensor of
 * every shard; the index must be right about those that it lists. Whatever was opened is closed again if this rejects, except
 * `index` itself.
 */
export async function openIndexed(
  index: ByteSource,
  formats: readonly [ShardFormat, ...ShardFormat[]],
): Promise<OpenedFiles> {
  const said = await readIndex(index);
  if (Array.isArray(said['records'])) {
    const { openTensorCache } = await import('./mlc/tensor-cache.js');
    return openTensorCache(index, said);
  }
  const listed = listedIn(said, index);
  let format: ShardFormat | undefined;
  const recognizes = (head: Uint8Array): boolean => {
    format ??= formats.find((one) => one.recognizes(head));
    return format?.recognizes(head) ?? false;
  };
  const shards: ByteSource[] = [];
  try {
    for (const file of listed.keys()) shards.push(await openSibling(index, file, recognizes));
    // One that is recognized as nothing is damaged, which its reader tells.
    const [usual] = formats;
    return await openShards(index, [index, ...shards], shards, format ?? usual, [...listed.values()]);
  } catch (error) {
    await closeOthers(shards, index);
    throw error;
  }
}

/** Opens the model that `source` is, or is one shard of by its name. Closes what it opened as `openIndexed` does. */
export async function openNumberedShards(source: ByteSource, format: ShardFormat): Promise<OpenedFiles> {
  const place = shardPlace(source.fileName);
  const shards = place === null ? [source] : await openNumbered(source, place, format.recognizes);
  try {
    return await openShards(source, shards, shards, format);
  } catch (error) {
    await closeOthers(shards, source);
    throw error;
  }
}

/** `listed` has for each shard the names of tensors that must be in it. */
async function openShards(
  { name }: ByteSource,
  sources: readonly ByteSource[],
  shards: readonly ByteSource[],
  { name: container, readPart }: ShardFormat,
  listed: readonly (readonly string[])[] = [],
): Promise<OpenedFiles> {
  const parts: FilePart[] = [];
  for (const [index, source] of shards.entries()) {
    const part = await readPart(source);
    checkListed(listed[index] ?? [], part.entries, source);
    parts.push(part);
  }
  const texts = new Map<string, string>();
  for (const [key, text] of parts.flatMap((part) => [...part.texts])) if (!texts.has(key)) texts.set(key, text);
  return {
    ...{ container, name, sources, parts, texts, portableTexts: texts },
    carried: null,
    fact: () => undefined,
    close: async () => {
      await Promise.all(sources.map((file) => file.close()));
    },
  };
}

function checkListed(listed: readonly string[], entries: FilePart['entries'], source: ByteSource): void {
  if (listed.length === 0) return;
  const present = new Set(entries.map(({ name }) => name));
  const missing = listed.find((name) => !present.has(name));
  if (missing !== undefined) throw new QuantizeError('missing_tensor', { file: source.name, layer: missing });
}

/** The JSON of an index. */
async function readIndex(index: ByteSource): Promise<Readonly<Record<string, unknown>>> {
  if (index.size > MAX_INDEX_BYTES) {
    throw invalidFile(index, `its ${index.size} bytes are over the limit of ${MAX_INDEX_BYTES} for an index`);
  }
  const bytes = new Uint8Array(index.size);
  await index.read(bytes, 0);
  return parseJsonObject(bytes, index, 'the index', 2);
}

/** The shards that an index lists, with the names of the tensors in each. */
function listedIn(
  { weight_map: map }: Readonly<Record<string, unknown>>,
  index: ByteSource,
): ReadonlyMap<string, readonly string[]> {
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
export function readPath(path: unknown, tensor: string, index: ByteSource): string {
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
