import { unpackedAt } from '../../codecs/packed.js';
import type { ByteRange, ByteSource } from '../../io/byte-io.js';

const BITS = 4;

/** Packed int4 as the source of one byte for each, which are made as they are read. */
export class UnpackedSource implements ByteSource {
  readonly name: string;
  readonly fileName: string;
  readonly size: number;
  readonly version: string;
  readonly readAside: (position: number, bytes: number) => Promise<Uint8Array>;
  readonly #range: ByteRange;

  /** `count` are the numbers that there are. */
  constructor(range: ByteRange, count: number) {
    const { source } = range;
    this.name = source.name;
    this.fileName = source.fileName;
    this.version = source.version;
    this.size = count;
    this.#range = range;
    this.readAside = (position, bytes) => this.#unpacked(position, bytes);
  }

  async read(into: Uint8Array, position: number): Promise<void> {
    into.set(await this.#unpacked(position, into.length));
  }

  sibling(name: string): Promise<ByteSource> {
    return this.#range.source.sibling(name);
  }

  checkUnchanged(): Promise<void> {
    return this.#range.source.checkUnchanged();
  }

  /** The source belongs to others. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  async #unpacked(position: number, count: number): Promise<Uint8Array> {
    const { source, begin } = this.#range;
    const first = Math.floor(position / 2);
    const packed = new Uint8Array(Math.ceil((position + count) / 2) - first);
    if (source.readAside === undefined) await source.read(packed, begin + first);
    else packed.set(await source.readAside(begin + first, packed.length));
    return Uint8Array.from({ length: count }, (_, index) => unpackedAt(packed, position - first * 2 + index, BITS));
  }
}
