import type { Codec } from '../../codecs/codec.js';
import { packed } from '../../codecs/packed.js';
import type { PartBuffer, WrittenEntry } from './part-buffer.js';
import type { Tile } from './strips.js';

const LEVEL_BITS = 4;
const SCALE_BYTES = 4;

/** The planes of some rows of all columns, row by row: packed levels, scales and packed zero points. */
export class BandBuffer implements PartBuffer {
  readonly #groupSize: number;
  readonly #columns: number;
  readonly #firstRow: number;
  readonly #levels: Uint8Array;
  readonly #scales: Uint8Array;
  readonly #zeroPoints: Uint8Array;

  /** `first` is any tile of the band. */
  constructor({ firstRow, rows, filledRows }: Tile, { groupSize }: Codec, columns: number) {
    this.#groupSize = groupSize;
    this.#columns = columns;
    this.#firstRow = firstRow;
    const blocks = filledRows / groupSize;
    this.#levels = new Uint8Array(rows * columns);
    this.#scales = new Uint8Array(blocks * columns * SCALE_BYTES);
    this.#zeroPoints = new Uint8Array(blocks * columns);
  }

  put(
    tile: Tile,
    [levels = new Uint8Array(), scales = new Uint8Array(), zeroPoints = new Uint8Array()]: readonly Uint8Array[],
  ): void {
    const { strip, filledRows } = tile;
    this.#putLevels(tile, levels);
    for (let block = 0; block < filledRows / this.#groupSize; ++block) {
      const from = block * strip.columns;
      const to = block * this.#columns + strip.first;
      const end = from + strip.columns;
      this.#scales.set(scales.subarray(from * SCALE_BYTES, end * SCALE_BYTES), to * SCALE_BYTES);
      this.#zeroPoints.set(zeroPoints.subarray(from, end), to);
    }
  }

  entries(): readonly WrittenEntry[] {
    const block = (this.#firstRow / this.#groupSize) * this.#columns;
    return [
      { bytes: packed(this.#levels, LEVEL_BITS), begin: (this.#firstRow * this.#columns * LEVEL_BITS) / 8 },
      { bytes: this.#scales, begin: block * SCALE_BYTES },
      { bytes: packed(this.#zeroPoints, LEVEL_BITS), begin: (block * LEVEL_BITS) / 8 },
    ];
  }

  /** From [block of rows][column][row] to [row][column]. */
  #putLevels({ strip, rows }: Tile, levels: Uint8Array): void {
    for (let row = 0; row < rows; ++row) {
      const block = Math.floor(row / this.#groupSize);
      let from = block * strip.columns * this.#groupSize + (row % this.#groupSize);
      const begin = row * this.#columns + strip.first;
      for (let to = begin; to < begin + strip.columns; ++to, from += this.#groupSize) {
        this.#levels[to] = levels[from] ?? 0;
      }
    }
  }
}
