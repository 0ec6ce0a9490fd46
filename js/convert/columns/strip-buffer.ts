import { planeBytes, traitsOf, type Codec } from '../../codecs/codec.js';
import { packed } from '../../codecs/packed.js';
import type { PartBuffer, WrittenEntry } from './part-buffer.js';
import type { Strip, Tile } from './strips.js';

/** The planes of a strip, column by column: levels, scales and packed zero points. */
export class StripBuffer implements PartBuffer {
  readonly #strip: Strip;
  readonly #codec: Codec;
  readonly #blocks: number;
  readonly #planes: readonly Uint8Array[];

  /** `blocks` are those of a whole column. */
  constructor(strip: Strip, codec: Codec, blocks: number) {
    this.#strip = strip;
    this.#codec = codec;
    this.#blocks = blocks;
    this.#planes = traitsOf(codec).planes.map(
      (_, plane) => new Uint8Array(strip.columns * blocks * planeBytes(codec, plane, codec.groupSize)),
    );
  }

  put({ firstRow }: Tile, planes: readonly Uint8Array[]): void {
    const { groupSize } = this.#codec;
    const shape = { columns: this.#strip.columns, blocks: this.#blocks, firstBlock: firstRow / groupSize };
    for (const [plane, from] of planes.entries()) {
      const into = this.#planes[plane];
      if (into !== undefined) byColumns(from, into, planeBytes(this.#codec, plane, groupSize), shape);
    }
  }

  entries(): readonly WrittenEntry[] {
    const [levels = new Uint8Array(), scales = new Uint8Array(), zeroPoints = new Uint8Array()] = this.#planes;
    return [levels, scales, this.#packed(zeroPoints)].map((bytes) => ({
      bytes,
      begin: (bytes.length / this.#strip.columns) * this.#strip.first,
    }));
  }

  /** Every column begins with a byte of its own; what is left of its last one is the middle of the levels. */
  #packed(zeroPoints: Uint8Array): Uint8Array {
    const { bits } = this.#codec;
    if (bits === 8) return zeroPoints;
    const { columns } = this.#strip;
    const all = new Uint8Array(columns * Math.ceil((this.#blocks * bits) / 8));
    for (let column = 0; column < columns; ++column) {
      const own = zeroPoints.subarray(column * this.#blocks, (column + 1) * this.#blocks);
      all.set(packed(own, bits, 2 ** (bits - 1)), (all.length / columns) * column);
    }
    return all;
  }
}

interface Shape {
  readonly columns: number;
  /** Of a whole column, and the first that there is of it. */
  readonly blocks: number;
  readonly firstBlock: number;
}

/** Moves units from [block][column] to [column][block]. */
function byColumns(from: Uint8Array, into: Uint8Array, unitBytes: number, shape: Shape): void {
  if (unitBytes % 4 === 0) {
    move(wordsOf(from), wordsOf(into), unitBytes / 4, shape);
  } else if (unitBytes % 2 === 0) {
    move(halvesOf(from), halvesOf(into), unitBytes / 2, shape);
  } else move(from, into, unitBytes, shape);
}

const wordsOf = ({ buffer, byteOffset, length }: Uint8Array): Uint32Array =>
  new Uint32Array(buffer, byteOffset, length / 4);
const halvesOf = ({ buffer, byteOffset, length }: Uint8Array): Uint16Array =>
  new Uint16Array(buffer, byteOffset, length / 2);

function move<Array extends Uint8Array | Uint16Array | Uint32Array>(
  from: Array,
  into: Array,
  unit: number,
  { columns, blocks, firstBlock }: Shape,
): void {
  const count = from.length / unit / columns;
  const step = blocks * unit - unit;
  let at = 0;
  for (let block = 0; block < count; ++block) {
    let to = (firstBlock + block) * unit;
    for (let column = 0; column < columns; ++column, to += step) {
      for (let index = 0; index < unit; ++index) into[to++] = from[at++] ?? 0;
    }
  }
}
