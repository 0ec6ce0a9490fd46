import type { QuantizeError } from '../../errors.js';
import type { ByteSource } from '../../io/byte-io.js';
import type { Entry, EntryType } from '../container.js';
import { MAX_RANK, elementCount, knownBytes } from '../dtypes.js';
import { CUT_OFF } from '../foreign-files.js';
import { invalidFile, quoted } from '../invalid-file.js';
import { decodeJson, isRecord, parseJsonText } from '../json.js';
import { readUsualHeader, type HeaderMember } from './usual-header.js';

/** The header's length, a little-endian u64, comes before it. */
export const LENGTH_BYTES = 8;

/** The limit that the format sets itself. */
export const MAX_HEADER_BYTES = 100_000_000;

export const METADATA_NAME = '__metadata__';

/** Known or not, a type is called by a short word. */
const DTYPE_NAME = /^[A-Za-z]\w{0,31}$/u;

/** Whether a file begins as one safetensors file does. */
export const looksLikeSafetensors = (head: Uint8Array): boolean => head[LENGTH_BYTES] === '{'.charCodeAt(0);

export interface SafetensorsHeader {
  /** In the order in which they lie in the file. */
  readonly entries: readonly Entry[];
  readonly metadata: ReadonlyMap<string, string>;
}

/** An entry while the header is read. */
interface PlacedEntry {
  readonly entry: Entry;
  readonly begin: number;
  readonly bytes: number;
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
  const { members, metadata } = takeApart(decodeJson(bytes, source, 'the header'), source);
  const types = new Map<string, EntryType>();
  const dataStart = LENGTH_BYTES + length;
  const placed = members.map((member) => readEntry(member, dataStart, types, source));
  placed.sort((a, b) => a.begin - b.begin || a.bytes - b.bytes);
  checkTiling(placed, dataStart, source);
  return { entries: placed.map(({ entry }) => entry), metadata };
}

interface HeaderParts {
  readonly members: readonly HeaderMember[];
  readonly metadata: ReadonlyMap<string, string>;
}

function takeApart(text: string, source: ByteSource): HeaderParts {
  const usual = readUsualHeader(text, METADATA_NAME);
  if (usual === null) return takeApartAny(text, source);
  const { members, metadata } = usual;
  if (metadata === null) return { members, metadata: new Map() };
  const value = parseJsonText(metadata, source, 'the header', 0);
  return { members, metadata: readMetadata(value, source) };
}

function takeApartAny(text: string, source: ByteSource): HeaderParts {
  const members: HeaderMember[] = [];
  let metadata: ReadonlyMap<string, string> = new Map();
  for (const [name, value] of Object.entries(parseJsonText(text, source, 'the header', 1))) {
    if (name === METADATA_NAME) metadata = value === null ? new Map() : readMetadata(value, source);
    else if (!isRecord(value)) throw fault(name, 'is not described by an object', source);
    else members.push({ name, dtype: value['dtype'], shape: value['shape'], offsets: value['data_offsets'] });
  }
  return { members, metadata };
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

const fault = (name: string, detail: string, source: ByteSource): QuantizeError =>
  invalidFile(source, `tensor ${quoted(name)} ${detail}`, { layer: name });

/** `types` has the types that were met before. */
function readEntry(
  member: HeaderMember,
  dataStart: number,
  types: Map<string, EntryType>,
  source: ByteSource,
): PlacedEntry {
  const { name, dtype, shape, offsets } = member;
  const fail = (detail: string): QuantizeError => fault(name, detail, source);
  if (typeof dtype !== 'string') throw fail('has no dtype');
  const type = types.get(dtype) ?? typeOf(dtype, types);
  if (type === undefined) throw fail(`has ${quoted(dtype)} for a dtype`);
  if (!Array.isArray(shape) || shape.length > MAX_RANK) throw fail('has no valid shape');
  const elements = elementCount(shape);
  if (Number.isNaN(elements)) throw fail('has no valid shape');
  const [begin, end] = readOffsets(offsets, fail);
  const dataBytes = source.size - dataStart;
  if (end > dataBytes) {
    throw fail(`ends at byte ${end} of the data, but there are only ${dataBytes}; ${CUT_OFF}`);
  }
  const bytes = end - begin;
  const expected = type.unknown === true ? undefined : knownBytes(dtype, elements);
  if (expected === undefined ? (bytes === 0) !== (elements === 0) : bytes !== expected) {
    const needed = expected === undefined ? `has ${elements} elements` : `of ${dtype} needs ${expected}`;
    throw fail(`takes ${bytes} bytes, but its shape [${shape.join(', ')}] ${needed}`);
  }
  const range = { source, begin: dataStart + begin, bytes };
  return { entry: { name, type, shape: shape as number[], elements, data: [range] }, begin: range.begin, bytes };
}

/** What a dtype is called, in `types` from now on; undefined where nothing can be called so. */
function typeOf(dtype: string, types: Map<string, EntryType>): EntryType | undefined {
  if (!DTYPE_NAME.test(dtype)) return undefined;
  const type: EntryType = knownBytes(dtype, 1) === undefined ? { name: dtype, unknown: true } : { name: dtype };
  types.set(dtype, type);
  return type;
}

function readOffsets(offsets: unknown, fail: (detail: string) => QuantizeError): readonly [number, number] {
  if (!Array.isArray(offsets) || offsets.length !== 2) throw fail('has no valid data_offsets');
  const [begin, end] = offsets as unknown[];
  if (typeof begin !== 'number' || typeof end !== 'number') throw fail('has no valid data_offsets');
  const valid = Number.isSafeInteger(begin) && Number.isSafeInteger(end) && begin >= 0 && begin <= end;
  if (!valid) throw fail(`has the impossible data_offsets [${begin}, ${end}]`);
  return [begin, end];
}

function checkTiling(placed: readonly PlacedEntry[], dataStart: number, source: ByteSource): void {
  let reached = dataStart;
  let previous = '';
  for (const { entry, begin, bytes } of placed) {
    const { name } = entry;
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
