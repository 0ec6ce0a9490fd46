import type { QuantizeError } from '../../errors.js';
import type { ByteRange } from '../../io/byte-io.js';
import { readRanges } from '../../io/read-ranges.js';

/** Names, shapes and offsets of a million tensors; no more than that is kept in memory. */
const MAX_SMALL_BYTES = 2 ** 28;

const keyOf = ({ begin, bytes }: ByteRange): string => `${begin}+${bytes}`;

/** Small buffers of one file, read together: first all are named, then they are read, then they can be looked at. */
export class SmallReads {
  readonly #wanted = new Map<string, ByteRange>();
  readonly #read = new Map<string, DataView>();
  readonly #tooMany: (bytes: number) => QuantizeError;
  #bytes = 0;

  constructor(fault: (detail: string) => QuantizeError) {
    this.#tooMany = (bytes) =>
      fault(`its names, shapes and offsets take ${bytes} bytes, the limit is ${MAX_SMALL_BYTES}`);
  }

  want(ranges: readonly ByteRange[]): void {
    for (const range of ranges) {
      const key = keyOf(range);
      if (range.bytes === 0 || this.#wanted.has(key) || this.#read.has(key)) continue;
      this.#wanted.set(key, range);
      this.#bytes += range.bytes;
      if (this.#bytes > MAX_SMALL_BYTES) throw this.#tooMany(this.#bytes);
    }
  }

  /** Reads what has been named since. */
  async read(): Promise<void> {
    const wanted = [...this.#wanted];
    this.#wanted.clear();
    const read = await readRanges(wanted.map(([, range]) => range));
    for (const [index, [key]] of wanted.entries()) {
      const bytes = read[index] ?? new Uint8Array();
      this.#read.set(key, new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
    }
  }

  /** Throws a RangeError for what was not named. */
  readonly bytes = (range: ByteRange): DataView => {
    if (range.bytes === 0) return EMPTY;
    const bytes = this.#read.get(keyOf(range));
    if (bytes === undefined) throw new RangeError(`${keyOf(range)} was not read`);
    return bytes;
  };
}

const EMPTY = new DataView(new ArrayBuffer(0));
