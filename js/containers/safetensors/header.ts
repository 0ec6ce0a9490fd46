import type { QuantizeError } from '../../errors.js';
import { elementCount, knownBytes } from '../dtypes.js';
import { invalidFile, quoted } from '../invalid-file.js';
import { CUT_OFF } from '../foreign-files.js';
import type { ByteSource } from '../../io/byte-io.js';
import { isRecord, parseJsonObject } from '../json.js';

/** The header's length, a little-endian u64, comes before it. */
export const LENGTH_BYTES = 8;

/** The limit that the format sets itself. */
export const MAX_HEADER_BYTES = 100_000_000;

/** Far more dimensions than any framework has; keeps hostile shapes short. */
export const MAX_RANK = 64;

export const METADATA_NAME = '__metadata__';

/** Known or not, a type is called by a short word. */
const DTYPE_NAME = /^[A-Za-z]\w{0,31}$/u;

/** Whether a file begins as one safetensors file does. */
export const looksLikeSafetensors = (head: Uint8Array): boolean => head[LENGTH_BYTES] === '{'.charCodeAt(0);

/** A tensor as the header lists it; `begin` counts from the file's first byte. */
export interface HeaderEntry {
  readonly name: string;
  /** As the file spells it; need not be one that is known. */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly elements: number;
  readonly begin: number;
  readonly bytes: number;
}

export interface SafetensorsHeader {
  /** In the order in which the tensors lie in the file. */
  readonly entries: readonly HeaderEntry[];
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * Reads and checks the header of a safetensors file. What it returns is consistent: the tensors fill the file to its last
 * byte without gap or overlap, and each one's bytes are what its shape and type take, where the type is known.
 */
export async function readHeader(source: ByteSource): Promise<SafetensorsHeader> {
  const length = await readHeaderLength(source);
  const bytes = new Uint8Array(length);
  await source.read(bytes, LENGTH_BYTES);
  if (bytes[0] !== '{'.charCodeAt(0)) throw invalidFile(source, 'the header does not begin with "{"');
  const object = parseJsonObject(bytes, source, 'the header', 1);
  const dataStart = LENGTH_BYTES + length;
  const entries: HeaderEntry[] = [];
  let metadata: ReadonlyMap<string, string> = new Map();
  for (const [name, value] of Object.entries(object)) {
    if (name === METADATA_NAME) metadata = value === null ? new Map() : readMetadata(value, source);
    else entries.push(readEntry(name, value, dataStart, source));
  }
  entries.sort((a, b) => a.begin - b.begin || a.bytes - b.bytes);
  checkTiling(entries, dataStart, source);
  return { entries, metadata };
}

async function readHeaderLength(source: ByteSource): Promise<number> {
  if (source.size < LENGTH_BYTES) {
    throw invalidFile(source, `it has ${source.size} bytes, too few for a safetensors file`);
  }
  const bytes = new Uint8Array(LENGTH_BYTES);
  await source.read(bytes, 0);
  const length = new DataView(bytes.buffer).getBigUint64(0, true);
  const following = source.size - LENGTH_BYTES;
  if (length > BigInt(following)) {
    const reason = length > BigInt(MAX_HEADER_BYTES) ? 'it is damaged, or no safetensors file' : CUT_OFF;
    throw invalidFile(
      source,
      `it announces a header of ${length} bytes, but only ${following} bytes follow; ${reason}`,
    );
  }
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw invalidFile(source, `its header of ${length} bytes is over the limit of ${MAX_HEADER_BYTES}`);
  }
  return Number(length);
}

function readMetadata(value: unknown, source: ByteSource): ReadonlyMap<string, string> {
  if (!isRecord(value)) throw invalidFile(source, `${METADATA_NAME} is not an object`);
  const metadata = new Map<string, string>();
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string')
      throw invalidFile(source, `the value of ${quoted(key)} in ${METADATA_NAME} is not a string`);
    metadata.set(key, text);
  }
  return metadata;
}

function readEntry(name: string, value: unknown, dataStart: number, source: ByteSource): HeaderEntry {
  const fail = (detail: string): QuantizeError =>
    invalidFile(source, `tensor ${quoted(name)} ${detail}`, { layer: name });
  if (!isRecord(value)) throw fail('is not described by an object');
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string') throw fail('has no dtype');
  if (!DTYPE_NAME.test(dtype)) throw fail(`has ${quoted(dtype)} for a dtype`);
  if (!Array.isArray(shape) || shape.length > MAX_RANK) throw fail('has no valid shape');
  const elements = elementCount(shape);
  if (Number.isNaN(elements)) throw fail('has no valid shape');
  const [begin, end] = readOffsets(offsets, fail);
  const dataBytes = source.size - dataStart;
  if (end > dataBytes) {
    throw fail(`ends at byte ${end} of the data, but there are only ${dataBytes}; ${CUT_OFF}`);
  }
  const bytes = end - begin;
  const expected = knownBytes(dtype, elements);
  if (expected === undefined ? (bytes === 0) !== (elements === 0) : bytes !== expected) {
    const needed = expected === undefined ? `has ${elements} elements` : `of ${dtype} needs ${expected}`;
    throw fail(`takes ${bytes} bytes, but its shape [${shape.join(', ')}] ${needed}`);
  }
  return { name, dtype, shape: shape as number[], elements, begin: dataStart + begin, bytes };
}

function readOffsets(offsets: unknown, fail: (detail: string) => QuantizeError): readonly [number, number] {
  if (!Array.isArray(offsets) || offsets.length !== 2) throw fail('has no valid data_offsets');
  const [begin, end] = offsets as unknown[];
  if (typeof begin !== 'number' || typeof end !== 'number') throw fail('has no valid data_offsets');
  const valid = Number.isSafeInteger(begin) && Number.isSafeInteger(end) && begin >= 0 && begin <= end;
  if (!valid) throw fail(`has the impossible data_offsets [${begin}, ${end}]`);
  return [begin, end];
}

function checkTiling(entries: readonly HeaderEntry[], dataStart: number, source: ByteSource): void {
  let reached = dataStart;
  let previous = '';
  for (const { name, begin, bytes } of entries) {
    if (begin < reached) {
      throw invalidFile(source, `the bytes of tensor ${quoted(name)} overlap those of ${quoted(previous)}`, {
        layer: name,
      });
    }
    if (begin > reached) {
      throw invalidFile(source, `the ${begin - reached} bytes before tensor ${quoted(name)} belong to no tensor`, {
        layer: name,
      });
    }
    reached = begin + bytes;
    previous = name;
  }
  if (reached !== source.size) {
    throw invalidFile(source, `its last ${source.size - reached} bytes belong to no tensor`);
  }
}
