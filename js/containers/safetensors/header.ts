import { QuantizeError } from '../../errors.js';
import type { ByteSource } from '../../io/byte-io.js';
import type { Entry, EntryType } from '../container.js';
import { MAX_RANK, elementCount, knownBytes } from '../dtypes.js';
import { CUT_OFF } from '../foreign-files.js';
import { invalidFile, quoted } from '../invalid-file.js';
import { decodeJson, isRecord, parseJsonText } from '../json.js';
import { readUsualHeader } from './usual-header.js';

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

/**
 * Reads and checks the header of a safetensors file. What it returns is consistent: the tensors fill the file to its last
 * byte without gap or overlap, and each one's bytes are what its shape and type take, where the type is known.
 */
export async function readHeader(source: ByteSource): Promise<SafetensorsHeader> {
  const length = await readHeaderLength(source);
  const bytes = new Uint8Array(length);
  await source.read(bytes, LENGTH_BYTES);
  if (bytes[0] !== '{'.charCodeAt(0)) throw invalidFile(source, 'the header does not begin with "{"');
  const reader = new EntryReader(source, LENGTH_BYTES + length);
  const metadata = readMembers(decodeJson(bytes, source, 'the header'), reader);
  const entries = reader.entries.sort(byPosition);
  checkTiling(entries, LENGTH_BYTES + length, source);
  return { entries, metadata };
}

/** Has the reader take all entries, and gives the metadata. */
function readMembers(text: string, reader: EntryReader): ReadonlyMap<string, string> {
  const { source } = reader;
  const faults: QuantizeError[] = [];
  const usual = readUsualHeader(text, METADATA_NAME, (name, dtype, shape, begin, end) => {
    if (faults.length > 0) return;
    try {
      reader.take(name, dtype, shape, begin, end);
    } catch (error) {
      if (!(error instanceof QuantizeError)) throw error;
      // That it is no JSON, if it turns out so, says more.
      faults.push(error);
    }
  });
  if (usual === null) return readAnyMembers(text, reader);
  const [fault] = faults;
  if (fault !== undefined) throw fault;
  if (usual.metadata === null) return new Map();
  return readMetadata(parseJsonText(usual.metadata, source, 'the header', 0), source);
}

function readAnyMembers(text: string, reader: EntryReader): ReadonlyMap<string, string> {
  const { source } = reader;
  reader.entries.length = 0;
  let metadata: ReadonlyMap<string, string> = new Map();
  for (const [name, value] of Object.entries(parseJsonText(text, source, 'the header', 1))) {
    if (name === METADATA_NAME) metadata = value === null ? metadata : readMetadata(value, source);
    else reader.takeAny(name, value);
  }
  return metadata;
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

/** Makes entries of what the header says of them, and checks them. */
class EntryReader {
  readonly source: ByteSource;
  readonly entries: Entry[] = [];
  readonly #dataStart: number;
  readonly #dataBytes: number;
  /** Those that were met. */
  readonly #types = new Map<string, EntryType>();

  constructor(source: ByteSource, dataStart: number) {
    this.source = source;
    this.#dataStart = dataStart;
    this.#dataBytes = source.size - dataStart;
  }

  /** Takes an entry of which only the name is known to be right. */
  takeAny(name: string, value: unknown): void {
    if (!isRecord(value)) throw this.#fault(name, 'is not described by an object');
    const { dtype, shape, data_offsets: offsets } = value;
    if (typeof dtype !== 'string') throw this.#fault(name, 'has no dtype');
    if (!Array.isArray(shape)) throw this.#fault(name, 'has no valid shape');
    if (!Array.isArray(offsets) || offsets.length !== 2) throw this.#fault(name, 'has no valid data_offsets');
    const [begin, end] = offsets as unknown[];
    if (typeof begin !== 'number' || typeof end !== 'number') throw this.#fault(name, 'has no valid data_offsets');
    this.take(name, dtype, shape as unknown[], begin, end);
  }

  take(name: string, dtype: string, shape: readonly unknown[], begin: number, end: number): void {
    const type = this.#types.get(dtype) ?? this.#typeOf(name, dtype);
    const elements = shape.length > MAX_RANK ? Number.NaN : elementCount(shape);
    if (Number.isNaN(elements)) throw this.#fault(name, 'has no valid shape');
    if (!Number.isSafeInteger(begin) || !Number.isSafeInteger(end) || begin < 0 || begin > end) {
      throw this.#fault(name, `has the impossible data_offsets [${begin}, ${end}]`);
    }
    if (end > this.#dataBytes) {
      const detail = `ends at byte ${end} of the data, but there are only ${this.#dataBytes}; ${CUT_OFF}`;
      throw this.#fault(name, detail);
    }
    const bytes = end - begin;
    const expected = knownBytes(dtype, elements);
    if (expected === undefined ? (bytes === 0) !== (elements === 0) : bytes !== expected) {
      const needed = expected === undefined ? `has ${elements} elements` : `of ${dtype} needs ${expected}`;
      throw this.#fault(name, `takes ${bytes} bytes, but its shape [${shape.join(', ')}] ${needed}`);
    }
    const range = { source: this.source, begin: this.#dataStart + begin, bytes };
    this.entries.push({ name, type, shape: shape as readonly number[], elements, data: [range] });
  }

  #typeOf(name: string, dtype: string): EntryType {
    if (!DTYPE_NAME.test(dtype)) throw this.#fault(name, `has ${quoted(dtype)} for a dtype`);
    const type: EntryType = knownBytes(dtype, 1) === undefined ? { name: dtype, unknown: true } : { name: dtype };
    this.#types.set(dtype, type);
    return type;
  }

  #fault(name: string, detail: string): QuantizeError {
    return invalidFile(this.source, `tensor ${quoted(name)} ${detail}`, { layer: name });
  }
}

const beginOf = ({ data }: Entry): number => data[0]?.begin ?? 0;
const bytesOf = ({ data }: Entry): number => data[0]?.bytes ?? 0;
const byPosition = (a: Entry, b: Entry): number => beginOf(a) - beginOf(b) || bytesOf(a) - bytesOf(b);

function checkTiling(entries: readonly Entry[], dataStart: number, source: ByteSource): void {
  let reached = dataStart;
  let previous = '';
  for (const entry of entries) {
    const { name } = entry;
    const [begin, bytes] = [beginOf(entry), bytesOf(entry)];
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
