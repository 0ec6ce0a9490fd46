import type { ByteRange, ByteSource } from './byte-io.js';
import { readRanges } from './read-ranges.js';

/** What of the columns is held at a time: a few of them, all rows. */
const STRIP_BYTES = 6 * 2 ** 20;
/** Runs that are read at once from sources that wait for nobody. */
const MOST_READS = 64;

/** A matrix as it lies, row by row; `width` are the bytes of an element. */
export interface StoredMatrix {
  readonly rows: number;
  readonly columns: number;
  readonly width: 2 | 4;
}

/** Columns of the matrix that were read, one after the other. */
interface Strip {
  readonly first: number;
  readonly columns: number;
  readonly bytes: Promise<Uint8Array>;
}

/**
 * A matrix as the source of the one with rows and columns exchanged, which is made as it is read. It holds the columns that
 * were read last, 6 MiB of them at most, or a single one, until the end is read: reads that go on where others ended come out of
 * them.
 */
export class TransposedSource implements ByteSource {
  readonly name: string;
  readonly fileName: string;
  readonly size: number;
  readonly version: string;
  readonly readAside: (position: number, bytes: number) => Promise<Uint8Array>;
  readonly #ranges: readonly ByteRange[];
  readonly #matrix: StoredMatrix;
  readonly #source: ByteSource;
  #strip: Strip | null = null;

  constructor(ranges: readonly ByteRange[], matrix: StoredMatrix) {
    const [first] = ranges;
    if (first === undefined) throw new RangeError('a matrix lies somewhere');
    const { source } = first;
    this.name = source.name;
    this.fileName = source.fileName;
    this.version = source.version;
    this.size = matrix.rows * matrix.columns * matrix.width;
    this.#ranges = ranges;
    this.#matrix = matrix;
    this.#source = source;
    // Whatever the source does: to make the strip takes a while, and no window is to be held meanwhile.
    this.readAside = async (position, bytes) => {
      const own = new Uint8Array(bytes);
      await this.read(own, position);
      return own;
    };
  }

  /** Positions and lengths are whole elements. */
  async read(into: Uint8Array, position: number): Promise<void> {
    const { rows, width } = this.#matrix;
    const column = rows * width;
    for (let at = 0; at < into.length;) {
      const from = position + at;
      const strip = this.#stripAt(Math.floor(from / column));
      const bytes = await strip.bytes;
      const offset = from - strip.first * column;
      const count = Math.min(into.length - at, bytes.length - offset);
      into.set(bytes.subarray(offset, offset + count), at);
      at += count;
      // Of many matrices that are read one after the other, none is to keep its last columns.
      if (from + count === this.size && this.#strip === strip) this.#strip = null;
    }
  }

  sibling(name: string): Promise<ByteSource> {
    return this.#source.sibling(name);
  }

  checkUnchanged(): Promise<void> {
    return this.#source.checkUnchanged();
  }

  /** The source belongs to others. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  #stripAt(column: number): Strip {
    const { rows, columns, width } = this.#matrix;
    const known = this.#strip;
    if (known !== null && column >= known.first && column < known.first + known.columns) return known;
    const most = Math.max(1, Math.floor(STRIP_BYTES / (rows * width)));
    const first = Math.floor(column / most) * most;
    const count = Math.min(most, columns - first);
    const strip = { first, columns: count, bytes: this.#readStrip(first, count) };
    this.#strip = strip;
    return strip;
  }

  async #readStrip(first: number, count: number): Promise<Uint8Array> {
    const { rows, columns, width } = this.#matrix;
    const runs =
      count === columns
        ? this.#ranges
        : Array.from({ length: rows }, (_, row) =>
            this.#rangeAt((row * columns + first) * width, count * width),
          ).flat();
    const bytes = new Uint8Array(rows * count * width);
    // What is far away is read together, and what lies between runs with it.
    if (this.#source.readAside === undefined) await readEach(runs, bytes);
    else join(await readRanges(runs), bytes);
    return exchanged(bytes, { rows, columns: count, width });
  }

  /** Where bytes of the matrix lie. */
  #rangeAt(begin: number, bytes: number): ByteRange[] {
    const found: ByteRange[] = [];
    let before = 0;
    for (const range of this.#ranges) {
      const from = Math.max(begin - before, 0);
      const to = Math.min(begin + bytes - before, range.bytes);
      if (from < to) found.push({ source: range.source, begin: range.begin + from, bytes: to - from });
      before += range.bytes;
    }
    return found;
  }
}

/** Puts parts one after the other. */
function join(parts: readonly Uint8Array[], into: Uint8Array): void {
  let at = 0;
  for (const part of parts) {
    into.set(part, at);
    at += part.length;
  }
}

/** Reads ranges one after the other into memory, some of them at once. */
async function readEach(ranges: readonly ByteRange[], into: Uint8Array): Promise<void> {
  let at = 0;
  let reads: Promise<void>[] = [];
  for (const { source, begin, bytes } of ranges) {
    reads.push(source.read(into.subarray(at, (at += bytes)), begin));
    if (reads.length < MOST_READS) continue;
    await Promise.all(reads);
    reads = [];
  }
  await Promise.all(reads);
}

/** Rows of the result are columns of `from`. */
function exchanged(from: Uint8Array, matrix: StoredMatrix): Uint8Array {
  const into = new Uint8Array(from.length);
  const { buffer, byteOffset } = from;
  if (matrix.width === 4)
    exchange(new Uint32Array(buffer, byteOffset, from.length / 4), new Uint32Array(into.buffer), matrix);
  else exchange(new Uint16Array(buffer, byteOffset, from.length / 2), new Uint16Array(into.buffer), matrix);
  return into;
}

/** Rows that are read at a time, so that what is written stays in the cache. */
const BLOCK_ROWS = 32;

function exchange<Array extends Uint16Array | Uint32Array>(
  from: Array,
  into: Array,
  { rows, columns }: StoredMatrix,
): void {
  for (let first = 0; first < rows; first += BLOCK_ROWS) {
    const end = Math.min(first + BLOCK_ROWS, rows);
    for (let column = 0; column < columns; ++column) {
      for (let row = first; row < end; ++row) into[column * rows + row] = from[row * columns + column] ?? 0;
    }
  }
}
