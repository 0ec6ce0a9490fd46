import type { ByteSource } from '../../io/byte-io.js';
import type { Column } from './batch.js';
import type { Pace } from '../../io/pace.js';

/** Bytes of validity that are read at a time. */
const PIECE_BYTES = 65_536;
const ALL_THERE = 255;

/** Looks for nulls among the values of a column. Asked about one stretch behind the other, it reads every byte once. */
export class NullCheck {
  readonly #column: Column;
  readonly #source: ByteSource;
  readonly #pace: Pace;
  #piece = new Uint8Array();
  /** The byte of the validity that the piece begins with. */
  #from = 0;

  constructor(column: Column, source: ByteSource, pace: Pace) {
    this.#column = column;
    this.#source = source;
    this.#pace = pace;
  }

  /** The first null among `count` values from `begin` on; null where there is none, `missing` where nothing says. */
  async firstNull(begin: number, count: number): Promise<number | 'missing' | null> {
    const { nulls, validity } = this.#column;
    const end = begin + count;
    if (nulls === 0 || count === 0) return null;
    if (Math.ceil(end / 8) > validity.bytes) return 'missing';
    for (let at = begin; at < end;) {
      await this.#fetch(Math.floor(at / 8));
      const stop = Math.min(end, (this.#from + this.#piece.length) * 8);
      const found = this.#nullAmong(at, stop);
      if (found !== null) return found;
      if (this.#pace.spend(1 + (stop - at) / 8)) await this.#pace.turn();
      at = stop;
    }
    return null;
  }

  /** Has the piece begin with that byte, or before it. */
  async #fetch(byte: number): Promise<void> {
    if (byte >= this.#from && byte < this.#from + this.#piece.length) return;
    const { begin, bytes } = this.#column.validity;
    const piece = new Uint8Array(Math.min(PIECE_BYTES, bytes - byte));
    await this.#source.read(piece, begin + byte);
    [this.#piece, this.#from] = [piece, byte];
  }

  /** All of them lie in the piece. */
  #nullAmong(begin: number, end: number): number | null {
    for (let at = begin; at < end;) {
      const byte = this.#piece[Math.floor(at / 8) - this.#from] ?? 0;
      if (byte === ALL_THERE) {
        at += 8 - (at % 8);
        continue;
      }
      if (((byte >> (at % 8)) & 1) === 0) return at;
      at += 1;
    }
    return null;
  }
}
