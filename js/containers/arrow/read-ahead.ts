import type { ByteSource } from '../../io/byte-io.js';

/** A message with what most have behind it; a server takes longer to answer once more than to send that. */
const LEAST_BYTES = 65_536;
const MOST_BYTES = 2 ** 20;

/** Reads small stretches that lie one behind the other, many of them at once where they lie close together. */
export class ReadAhead {
  readonly #source: ByteSource;
  #piece = new Uint8Array();
  #begin = 0;
  #bytes = LEAST_BYTES;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** The bytes from `position` on, which lie in the source, in memory of their own. */
  async read(position: number, bytes: number): Promise<Uint8Array> {
    const end = this.#begin + this.#piece.length;
    if (position < this.#begin || position + bytes > end) {
      const isNear = position >= this.#begin && position < end + LEAST_BYTES;
      this.#bytes = isNear ? Math.min(this.#bytes * 2, MOST_BYTES) : LEAST_BYTES;
      const piece = new Uint8Array(Math.min(Math.max(bytes, this.#bytes), this.#source.size - position));
      await this.#source.read(piece, position);
      [this.#piece, this.#begin] = [piece, position];
    }
    const at = position - this.#begin;
    return this.#piece.slice(at, at + bytes);
  }
}
