import type { ByteRange, ByteSource } from '../../io/byte-io.js';
import { readRange } from '../../pipeline/piece-input.js';
import { rangesOf } from '../../pipeline/stretches.js';

/** What is made at a time. */
const PIECE_BYTES = 2 ** 20;
const MOST_ELEMENT_BYTES = 8;

/** Fills `into`, which numbers of any size may be put in, with what is made from `position` on; whole elements. */
export type Make = (position: number, into: Uint8Array) => Promise<void>;

/**
 * Bytes that are made of others while they are read, piece by piece. It is named after the first of the ranges that it is made
 * of, and belongs to their files. Positions and lengths of reads are whole elements.
 */
export class MadeSource implements ByteSource {
  readonly name: string;
  readonly fileName: string;
  readonly size: number;
  readonly version: string;
  /** Always there: to make bytes takes a while, and no window is to be held meanwhile. */
  readonly readAside: (position: number, bytes: number) => Promise<Uint8Array>;
  readonly #sources: readonly ByteSource[];
  readonly #make: Make;

  constructor(ranges: readonly ByteRange[], size: number, make: Make) {
    const [first] = ranges;
    if (first === undefined) throw new RangeError('what is made is made of something');
    const { name, fileName, version } = first.source;
    this.name = name;
    this.fileName = fileName;
    this.version = version;
    this.size = size;
    this.#sources = [...new Set(ranges.map(({ source }) => source))];
    this.#make = make;
    this.readAside = async (position, bytes) => {
      const own = new Uint8Array(bytes);
      await this.#makeAll(own, position);
      return own;
    };
  }

  async read(into: Uint8Array, position: number): Promise<void> {
    if (into.byteOffset % MOST_ELEMENT_BYTES === 0) await this.#makeAll(into, position);
    else into.set(await this.readAside(position, into.length));
  }

  async #makeAll(into: Uint8Array, position: number): Promise<void> {
    for (let at = 0; at < into.length; at += PIECE_BYTES) {
      await this.#make(position + at, into.subarray(at, Math.min(at + PIECE_BYTES, into.length)));
    }
  }

  sibling(name: string): Promise<ByteSource> {
    const [first] = this.#sources;
    return first === undefined ? Promise.reject(new RangeError('it is made of nothing')) : first.sibling(name);
  }

  async checkUnchanged(): Promise<void> {
    for (const source of this.#sources) await source.checkUnchanged();
  }

  /** What it is made of belongs to others. */
  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Bytes of a plane, in memory of their own that numbers of any size can be looked at in. */
export async function bytesAt(plane: readonly ByteRange[], begin: number, bytes: number): Promise<Uint8Array> {
  const ranges = rangesOf(plane, { begin, bytes });
  const parts = await Promise.all(ranges.map(readRange));
  const [first] = parts;
  if (first !== undefined && parts.length === 1 && first.byteOffset % 8 === 0) return first;
  const all = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
