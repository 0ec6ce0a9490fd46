import type { QuantizeError } from '../errors.js';
import type { ByteRange, ByteSource } from './byte-io.js';

/** What is read at a time of the wide numbers. */
const PIECE_BYTES = 2 ** 20;

/** The narrow number for the eight bytes at `at`; null when there is none. */
type Narrowing = (from: DataView, at: number) => number | null;

interface Kind {
  readonly narrow: Narrowing;
  readonly put: (into: DataView, at: number, value: number) => void;
}

const LEAST_I32 = -(2n ** 31n);
const LARGEST_I32 = 2n ** 31n - 1n;

function narrowInteger(from: DataView, at: number): number | null {
  const value = from.getBigInt64(at, true);
  return value < LEAST_I32 || value > LARGEST_I32 ? null : Number(value);
}

function narrowFloat(from: DataView, at: number): number | null {
  const value = from.getFloat64(at, true);
  return Number.isFinite(value) && !Number.isFinite(Math.fround(value)) ? null : value;
}

const KINDS: Readonly<Record<'I64' | 'F64', Kind>> = {
  I64: {
    narrow: narrowInteger,
    put: (into, at, value) => {
      into.setInt32(at, value, true);
    },
  },
  F64: {
    narrow: narrowFloat,
    put: (into, at, value) => {
      into.setFloat32(at, value, true);
    },
  },
};

/** The types whose elements have half the bytes. */
export type WideType = keyof typeof KINDS;

/**
 * A stretch of I64 or F64 as the source of I32 or F32, little-endian, that are made as they are read: floats are rounded to
 * the nearest, ties to even; NaN, infinities and zeros stay what they are. A read rejects with what `refuse` makes of the
 * index of the first element, and its value, that has no counterpart. Positions and lengths of reads are multiples of 4.
 */
export class NarrowedSource implements ByteSource {
  readonly name: string;
  readonly fileName: string;
  readonly size: number;
  readonly version: string;
  readonly readAside?: (position: number, bytes: number) => Promise<Uint8Array>;
  readonly #range: ByteRange;
  readonly #kind: Kind;
  readonly #refuse: (index: number) => QuantizeError;

  constructor(range: ByteRange, type: WideType, refuse: (index: number) => QuantizeError) {
    const { source, bytes } = range;
    this.name = source.name;
    this.fileName = source.fileName;
    this.version = source.version;
    this.size = bytes / 2;
    this.#range = range;
    this.#kind = KINDS[type];
    this.#refuse = refuse;
    if (source.readAside !== undefined) this.readAside = (position, count) => this.#aside(position, count);
  }

  async read(into: Uint8Array, position: number): Promise<void> {
    const { source, begin } = this.#range;
    const target = new DataView(into.buffer, into.byteOffset, into.length);
    for (let at = 0; at < into.length; at += PIECE_BYTES / 2) {
      const bytes = Math.min(PIECE_BYTES, (into.length - at) * 2);
      const from = begin + (position + at) * 2;
      const wide = await readOwn(source, from, bytes);
      this.#narrow(wide, target, at, (position + at) / 4);
    }
  }

  sibling(name: string): Promise<ByteSource> {
    return this.#range.source.sibling(name);
  }

  checkUnchanged(): Promise<void> {
    return this.#range.source.checkUnchanged();
  }

  close(): Promise<void> {
    return this.#range.source.close();
  }

  async #aside(position: number, bytes: number): Promise<Uint8Array> {
    const own = new Uint8Array(bytes);
    await this.read(own, position);
    return own;
  }

  #narrow(wide: Uint8Array, target: DataView, at: number, first: number): void {
    const from = new DataView(wide.buffer, wide.byteOffset, wide.length);
    const { narrow, put } = this.#kind;
    for (let index = 0; index * 8 < wide.length; ++index) {
      const value = narrow(from, index * 8);
      if (value === null) throw this.#refuse(first + index);
      put(target, at + index * 4, value);
    }
  }
}

async function readOwn(source: ByteSource, position: number, bytes: number): Promise<Uint8Array> {
  if (source.readAside !== undefined) return source.readAside(position, bytes);
  const own = new Uint8Array(bytes);
  await source.read(own, position);
  return own;
}
