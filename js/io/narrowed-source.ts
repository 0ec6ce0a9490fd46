import type { QuantizeError } from '../errors.js';
import type { ByteRange, ByteSource } from './byte-io.js';

/** What is read at a time of the wide numbers. */
const PIECE_BYTES = 2 ** 20;

/** The narrow number for the bytes at `at`; null when there is none. */
type Narrowing = (from: DataView, at: number) => number | null;

interface Kind {
  /** Bytes of a wide number, and of a narrow one. */
  readonly wideBytes: number;
  readonly narrowBytes: number;
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

function narrowLevel(from: DataView, at: number): number | null {
  const value = from.getFloat32(at, true);
  return Number.isInteger(value) && value >= 0 && value <= 255 ? value : null;
}

const HALVES = { wideBytes: 8, narrowBytes: 4 } as const;

const KINDS: Readonly<Record<'I64' | 'F64' | 'F32', Kind>> = {
  F32: {
    ...{ wideBytes: 4, narrowBytes: 1 },
    narrow: narrowLevel,
    put: (into, at, value) => {
      into.setUint8(at, value);
    },
  },
  I64: {
    ...HALVES,
    narrow: narrowInteger,
    put: (into, at, value) => {
      into.setInt32(at, value, true);
    },
  },
  F64: {
    ...HALVES,
    narrow: narrowFloat,
    put: (into, at, value) => {
      into.setFloat32(at, value, true);
    },
  },
};

/** The types whose elements have half the bytes. */
export type WideType = 'I64' | 'F64';

/**
 * A stretch of I64 or F64 as the source of I32 or F32, little-endian, or of F32 as that of U8, that are made as they are read:
 * floats are rounded to the nearest, ties to even; NaN, infinities and zeros stay what they are; only whole numbers become U8.
 * A read rejects with what `refuse` makes of the index of the first element, and its value, that has no counterpart. Reads
 * begin and end between elements.
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

  constructor(range: ByteRange, type: WideType | 'F32', refuse: (index: number) => QuantizeError) {
    const { source, bytes } = range;
    this.name = source.name;
    this.fileName = source.fileName;
    this.version = source.version;
    const { wideBytes, narrowBytes } = KINDS[type];
    this.size = (bytes / wideBytes) * narrowBytes;
    this.#range = range;
    this.#kind = KINDS[type];
    this.#refuse = refuse;
    if (source.readAside !== undefined) this.readAside = (position, count) => this.#aside(position, count);
  }

  async read(into: Uint8Array, position: number): Promise<void> {
    const { source, begin } = this.#range;
    const target = new DataView(into.buffer, into.byteOffset, into.length);
    const { wideBytes, narrowBytes } = this.#kind;
    const factor = wideBytes / narrowBytes;
    for (let at = 0; at < into.length; at += PIECE_BYTES / factor) {
      const bytes = Math.min(PIECE_BYTES, (into.length - at) * factor);
      const from = begin + (position + at) * factor;
      const wide = await readOwn(source, from, bytes);
      this.#narrow(wide, target, at, (position + at) / narrowBytes);
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
    const { narrow, put, wideBytes, narrowBytes } = this.#kind;
    for (let index = 0; index * wideBytes < wide.length; ++index) {
      const value = narrow(from, index * wideBytes);
      if (value === null) throw this.#refuse(first + index);
      put(target, at + index * narrowBytes, value);
    }
  }
}

async function readOwn(source: ByteSource, position: number, bytes: number): Promise<Uint8Array> {
  if (source.readAside !== undefined) return source.readAside(position, bytes);
  const own = new Uint8Array(bytes);
  await source.read(own, position);
  return own;
}
