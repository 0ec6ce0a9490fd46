import type { QuantizeError } from '../../errors.js';
import { elementCount } from '../dtypes.js';
import { invalidFile, quoted } from '../invalid-file.js';
import { CUT_OFF } from '../foreign-files.js';
import {
  ggmlBytes,
  ggmlTypeOfId,
  isKnownType,
  isWholeBlocks,
  unknownGgmlType,
  type GgmlType,
  type GgmlTypeId,
} from './ggml-types.js';
import { GgufKeyValue, findKeyValue, wholeNumberOf, type GgufType } from './key-values.js';
import { MAX_KEY_VALUES, MAX_NAME_BYTES, MAX_TENSORS } from './limits.js';
import { HeaderReader } from './reader.js';
import { readName, readType, skipValue } from './values.js';
import type { ByteRange, ByteSource } from '../../io/byte-io.js';

export const GGUF_MAGIC = 'GGUF';
export const ALIGNMENT_KEY = 'general.alignment';
export const DEFAULT_ALIGNMENT = 32;

/** The largest memory page in common use. Larger ones would let much of a file belong to nothing. */
export const MAX_ALIGNMENT = 65_536;

/** ggml's GGML_MAX_DIMS is 4; programs for video models read one more. */
export const MAX_RANK = 5;

/** Magic, version, and the counts of tensors and of key-value pairs. */
const PREAMBLE_BYTES = 24;

/** The length of a key, one character, the type and one byte of value. */
const LEAST_KEY_VALUE_BYTES = 14;

/** The length of a name, the rank, the type and the offset. */
const LEAST_TENSOR_BYTES = 24;

/** A tensor as its file lists it. */
export interface GgufTensor {
  readonly name: string;
  /** ggml's type, which need not be one that is known. */
  readonly type: GgmlType | GgmlTypeId;
  /** In torch order: the last dimension is contiguous. */
  readonly shape: readonly number[];
  readonly elements: number;
  readonly range: ByteRange;
}

export interface GgufFile {
  readonly version: number;
  /** Of the tensors' data, in bytes. */
  readonly alignment: number;
  /** In the file's order. */
  readonly keyValues: readonly GgufKeyValue[];
  /** In the order in which the header lists them, which need not be the order of their bytes. */
  readonly tensors: readonly GgufTensor[];
  /** Bytes of the header, without the padding behind it. */
  readonly headerBytes: number;
  /** Where the tensors' data begins. */
  readonly dataBegin: number;
}

/** Whether a file begins as a GGUF file does. */
export const looksLikeGguf = (head: Uint8Array): boolean =>
  Array.from(GGUF_MAGIC, (character) => character.charCodeAt(0)).every((code, at) => head[at] === code);

/** `position`, or the next multiple of `alignment`. */
export const aligned = (position: number, alignment: number): number => Math.ceil(position / alignment) * alignment;

/**
 * Reads and checks the header of a GGUF file of version 2 or 3, little-endian. What it returns is consistent: each tensor's
 * bytes are in the file and are what its shape and type take, no two overlap, and all bytes of the file belong to the
 * header, to a tensor, or to padding shorter than the alignment. The bytes of a tensor of an unknown type are those up to
 * the next tensor or the end of the file.
 * Rejects with `invalid_file` or `unreadable_input`.
 */
export async function readGguf(source: ByteSource): Promise<GgufFile> {
  const reader = new HeaderReader(source);
  const { version, tensorCount, pairCount } = await readPreamble(reader);
  const pairs = await readPairs(reader, pairCount);
  const infos = await readInfos(reader, tensorCount);
  const header = reader.copy();
  const keyValues = pairs.map(({ key, type, begin, end }) => new GgufKeyValue(key, type, header.subarray(begin, end)));
  const alignment = readAlignment(keyValues, source);
  const dataBegin = aligned(header.length, alignment);
  const ends = endsOf(infos, BigInt(Math.max(source.size - dataBegin, 0)));
  const tensors = infos.map((info) => placeTensor(info, ends, { dataBegin, alignment, source }));
  checkTiling(tensors, dataBegin, alignment, source);
  return { version, alignment, keyValues, tensors, headerBytes: header.length, dataBegin };
}

async function readPreamble(
  reader: HeaderReader,
): Promise<{ readonly version: number; readonly tensorCount: bigint; readonly pairCount: number }> {
  const { size } = reader.source;
  if (size < PREAMBLE_BYTES) throw reader.invalid(`it has ${size} bytes, too few for a GGUF file`);
  await reader.fetch(PREAMBLE_BYTES, 'its header');
  if (!looksLikeGguf(reader.take(GGUF_MAGIC.length))) throw reader.invalid(`it does not begin with "${GGUF_MAGIC}"`);
  const version = reader.u32();
  if (version !== 0 && (version & 0xffff) === 0) {
    throw reader.invalid('it is in big-endian order, only little-endian GGUF files can be read');
  }
  if (version !== 2 && version !== 3) {
    throw reader.invalid(`it is of GGUF version ${version}, only versions 2 and 3 can be read`);
  }
  const tensorCount = reader.u64();
  return { version, tensorCount, pairCount: reader.count('key-value pairs', LEAST_KEY_VALUE_BYTES, MAX_KEY_VALUES) };
}

interface Pair {
  readonly key: string;
  readonly type: GgufType;
  /** Where in the header the value lies. */
  readonly begin: number;
  readonly end: number;
}

async function readPairs(reader: HeaderReader, count: number): Promise<Pair[]> {
  const keys = new Set<string>();
  const pairs: Pair[] = [];
  for (let index = 0; index < count; ++index) {
    const key = await readName(reader, `key ${index + 1}`, MAX_NAME_BYTES);
    if (key === '') throw reader.invalid(`key ${index + 1} is empty`);
    if (keys.has(key)) throw reader.invalid(`the key ${quoted(key)} occurs twice`);
    keys.add(key);
    const what = `the value of ${quoted(key)}`;
    const type = await readType(reader, what);
    const begin = reader.position;
    await skipValue(reader, type, what);
    pairs.push({ key, type, begin, end: reader.position });
  }
  return pairs;
}

interface TensorInfo extends Omit<GgufTensor, 'range'> {
  /** Null where the type is not known. */
  readonly bytes: number | null;
  readonly offset: bigint;
}

async function readInfos(reader: HeaderReader, announced: bigint): Promise<TensorInfo[]> {
  if (announced * BigInt(LEAST_TENSOR_BYTES) > BigInt(reader.following)) {
    throw reader.tooShort(`${announced} tensors`, announced * BigInt(LEAST_TENSOR_BYTES));
  }
  if (announced > BigInt(MAX_TENSORS)) {
    throw reader.invalid(`its ${announced} tensors are over the limit of ${MAX_TENSORS}`);
  }
  const names = new Set<string>();
  const infos: TensorInfo[] = [];
  for (let index = 0; index < Number(announced); ++index) {
    const name = await readName(reader, `the name of tensor ${index + 1}`, MAX_NAME_BYTES);
    if (name === '') throw reader.invalid(`the name of tensor ${index + 1} is empty`);
    if (names.has(name)) throw reader.invalid(`tensor ${quoted(name)} occurs twice`, name);
    names.add(name);
    infos.push(await readInfo(reader, name));
  }
  return infos;
}

async function readInfo(reader: HeaderReader, name: string): Promise<TensorInfo> {
  const what = `the description of tensor ${quoted(name)}`;
  const fail = (detail: string): QuantizeError => reader.invalid(`tensor ${quoted(name)} ${detail}`, name);
  await reader.fetch(4, what, name);
  const rank = reader.u32();
  if (rank > MAX_RANK) throw fail(`has ${rank} dimensions, GGUF knows at most ${MAX_RANK}`);
  await reader.fetch(rank * 8 + 12, what, name);
  const extents = Array.from({ length: rank }, () => reader.u64());
  const shape = extents.map(Number).reverse();
  const elements = elementCount(shape);
  if (Number.isNaN(elements)) throw fail(`has the impossible extents ${extents.join(', ')}`);
  const id = reader.u32();
  const type = ggmlTypeOfId(id) ?? unknownGgmlType(id);
  if (!isKnownType(type)) return { name, type, shape, elements, bytes: null, offset: reader.u64() };
  const row = shape.at(-1) ?? 1;
  if (!isWholeBlocks(type, row)) {
    throw fail(`has rows of ${row}, no whole number of blocks of ${type.blockWeights} as ${type.name} needs`);
  }
  const bytes = ggmlBytes(type, elements);
  if (!Number.isSafeInteger(bytes)) throw fail(`has the impossible extents ${extents.join(', ')}`);
  return { name, type, shape, elements, bytes, offset: reader.u64() };
}

function readAlignment(keyValues: readonly GgufKeyValue[], source: ByteSource): number {
  const entry = findKeyValue(keyValues, ALIGNMENT_KEY);
  if (entry === undefined) return DEFAULT_ALIGNMENT;
  const value = entry.type === 'u32' ? wholeNumberOf(keyValues, ALIGNMENT_KEY) : undefined;
  if (value === undefined) throw invalidFile(source, `${quoted(ALIGNMENT_KEY)} is no u32`);
  if (!isAlignment(value)) {
    const needed = `a power of two up to ${MAX_ALIGNMENT}`;
    throw invalidFile(source, `${quoted(ALIGNMENT_KEY)} is ${value}, must be ${needed}`);
  }
  return value;
}

/** Whether GGUF data can be aligned to multiples of `value`. */
export const isAlignment = (value: number): boolean =>
  Number.isInteger(value) && value > 0 && value <= MAX_ALIGNMENT && (value & (value - 1)) === 0;

/** By offset in the data, of which there are `available` bytes, where the next tensor begins; for tensors of unknown types. */
function endsOf(infos: readonly TensorInfo[], available: bigint): ReadonlyMap<bigint, bigint> {
  if (infos.every(({ bytes }) => bytes !== null)) return new Map();
  const offsets = [...new Set(infos.map(({ offset }) => offset))].sort((a, b) => (a < b ? -1 : Number(a > b)));
  return new Map(offsets.map((offset, index) => [offset, offsets[index + 1] ?? available]));
}

function placeTensor(
  { name, type, shape, elements, bytes: known, offset }: TensorInfo,
  ends: ReadonlyMap<bigint, bigint>,
  { dataBegin, alignment, source }: Pick<GgufFile, 'dataBegin' | 'alignment'> & { readonly source: ByteSource },
): GgufTensor {
  const fail = (detail: string): QuantizeError =>
    invalidFile(source, `tensor ${quoted(name)} ${detail}`, { layer: name });
  if (offset % BigInt(alignment) !== 0n)
    throw fail(`begins at byte ${offset} of the data, no multiple of ${alignment}`);
  const available = Math.max(source.size - dataBegin, 0);
  const next = ends.get(offset) ?? offset;
  const end = known === null && elements > 0 && next > offset ? next : offset + BigInt(known ?? 0);
  if (end > BigInt(available)) {
    throw fail(`ends at byte ${end} of the data, but there are only ${available}; ${CUT_OFF}`);
  }
  const bytes = Number(end - offset);
  if (known === null && elements > 0 && bytes <= 0) throw fail(`has no bytes for its ${elements} elements`);
  return { name, type, shape, elements, range: { source, begin: dataBegin + Number(offset), bytes } };
}

function checkTiling(tensors: readonly GgufTensor[], dataBegin: number, alignment: number, source: ByteSource): void {
  const inOrder = [...tensors].sort((a, b) => a.range.begin - b.range.begin || a.range.bytes - b.range.bytes);
  let reached = dataBegin;
  let previous = '';
  for (const { name, range } of inOrder) {
    const gap = range.begin - reached;
    if (gap < 0) {
      throw invalidFile(source, `the bytes of tensor ${quoted(name)} overlap those of ${quoted(previous)}`, {
        layer: name,
      });
    }
    if (gap >= alignment) {
      throw invalidFile(source, `the ${gap} bytes before tensor ${quoted(name)} belong to no tensor`, { layer: name });
    }
    reached = range.begin + range.bytes;
    previous = name;
  }
  const left = source.size - reached;
  if (left >= alignment) throw invalidFile(source, `its last ${left} bytes belong to no tensor`);
}
