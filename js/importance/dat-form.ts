import { CUT_OFF } from '../containers/foreign-files.js';
import { MAX_NAME_BYTES, MAX_TENSORS } from '../containers/gguf/limits.js';
import { invalidFile, quoted } from '../containers/invalid-file.js';
import { decodeUtf8 } from '../containers/utf8.js';
import type { ByteSource } from '../io/byte-io.js';
import { divide, sortedEntries, type ImportanceEntry, type ImportanceMatrix } from './importance.js';

/** So much is read at once: an entry is mostly a few dozen kilobytes. */
const PIECE_BYTES = 2 ** 22;

/** A path; those of the largest systems have at most 4096 bytes. */
const MOST_DATASET_BYTES = 2 ** 16;

/** The number of entries, and the length of the first one's name. */
const HEAD_BYTES = 9;

/** Whether a file begins as one of that form does: with counts that can be, and a name. */
export function looksLikeDat(head: Uint8Array): boolean {
  if (head.length < HEAD_BYTES) return false;
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const [entries, nameBytes] = [view.getInt32(0, true), view.getInt32(4, true)];
  const first = view.getUint8(8);
  return isWithin(entries, MAX_TENSORS) && isWithin(nameBytes, MAX_NAME_BYTES) && first > 0x20 && first < 0x7f;
}

const isWithin = (count: number, most: number): boolean => count >= 1 && count <= most;

/**
 * Reads an importance matrix in the form from before GGUF: the number of entries; for each the length of its name, the name,
 * the number of chunks, the number of values, and these, which are sums over the chunks; then, where the file goes on, the
 * number of chunks of all, and the name of the text with its length before it. All numbers have 32 bits. The values are the
 * sums over the number of chunks, in f32. Rejects with `invalid_file` or `unreadable_input`.
 */
export async function readDatForm(source: ByteSource): Promise<ImportanceMatrix> {
  const reader = new Reader(source);
  const count = await reader.count('entries', MAX_TENSORS);
  const entries = new Map<string, ImportanceEntry>();
  for (let index = 0; index < count; ++index) {
    const [name, entry] = await readEntry(reader, `entry ${index + 1} of ${count}`);
    if (entries.has(name)) throw invalidFile(source, `the entry ${quoted(name)} occurs twice`, { layer: name });
    entries.set(name, entry);
  }
  const chunks = reader.left === 0 ? 0 : Math.max(0, await reader.i32('the number of chunks'));
  const dataset = reader.left === 0 ? '' : await readDataset(reader);
  return {
    ...{ file: source.name, form: 'dat', datasets: dataset === '' ? [] : [dataset], chunks, chunkSize: 0 },
    entries: sortedEntries(entries),
  };
}

async function readEntry(reader: Reader, what: string): Promise<readonly [string, ImportanceEntry]> {
  const nameBytes = await reader.count(`bytes of the name of ${what}`, MAX_NAME_BYTES);
  const name = decodeUtf8(await reader.bytes(nameBytes, what));
  const chunks = await reader.i32(what);
  const length = await reader.count(`values of ${quoted(name)}`, Math.floor((reader.left - 4) / 4), name);
  const values = new Float32Array(length);
  await reader.fill(new Uint8Array(values.buffer), what);
  divide(values, chunks);
  return [name, { values, counts: [chunks] }];
}

async function readDataset(reader: Reader): Promise<string> {
  const bytes = await reader.i32('the name of the text');
  if (bytes === 0) return '';
  if (!isWithin(bytes, MOST_DATASET_BYTES)) throw reader.impossible(bytes, 'bytes of the name of the text');
  return decodeUtf8(await reader.bytes(bytes, 'the name of the text'));
}

/** Goes through a file from its first byte to its last, a piece at a time. `what` names in messages what is read. */
class Reader {
  readonly #source: ByteSource;
  #piece: Uint8Array = new Uint8Array();
  #pieceBegin = 0;
  #position = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  get left(): number {
    return this.#source.size - this.#position;
  }

  async fill(into: Uint8Array, what: string): Promise<void> {
    const { size } = this.#source;
    if (into.length > this.left) throw invalidFile(this.#source, `it ends at byte ${size}, within ${what}; ${CUT_OFF}`);
    for (let done = 0; done < into.length;) {
      if (this.#position === this.#pieceBegin + this.#piece.length) await this.#next();
      const part = this.#piece.subarray(this.#position - this.#pieceBegin).subarray(0, into.length - done);
      into.set(part, done);
      done += part.length;
      this.#position += part.length;
    }
  }

  async bytes(count: number, what: string): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(count);
    await this.fill(bytes, what);
    return bytes;
  }

  async i32(what: string): Promise<number> {
    const { buffer } = await this.bytes(4, what);
    return new DataView(buffer).getInt32(0, true);
  }

  /** A number of things from 1 to `most`. */
  async count(what: string, most: number, layer?: string): Promise<number> {
    const count = await this.i32(`the number of ${what}`);
    if (!isWithin(count, most)) throw this.impossible(count, what, layer);
    return count;
  }

  impossible(count: number, what: string, layer?: string): Error {
    return invalidFile(
      this.#source,
      `it announces ${count} ${what}, which cannot be`,
      layer === undefined ? {} : { layer },
    );
  }

  async #next(): Promise<void> {
    this.#pieceBegin += this.#piece.length;
    const bytes = Math.min(PIECE_BYTES, this.#source.size - this.#pieceBegin);
    if (this.#source.readAside !== undefined) {
      this.#piece = await this.#source.readAside(this.#pieceBegin, bytes);
      return;
    }
    const piece = new Uint8Array(bytes);
    await this.#source.read(piece, this.#pieceBegin);
    this.#piece = piece;
  }
}
