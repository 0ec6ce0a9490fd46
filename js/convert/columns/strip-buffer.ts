import { planeBytes, traitsOf, type Codec } from '../../codecs/codec.js';
import type { Strip, Tile } from './strips.js';

/** What a tensor's strips have in common. */
export interface StripForm {
  readonly codec: Codec;
  /** Blocks of a column. */
  readonly blocks: number;
  /** Entries of the output: levels, scales and, in most cases, zero points. */
  readonly entries: number;
}

/** The planes of a strip, column by column. */
export class StripBuffer {
  readonly #strip: Strip;
  readonly #form: StripForm;
  readonly #planes: readonly Uint8Array[];

  constructor(strip: Strip, form: StripForm) {
    this.#strip = strip;
    this.#form = form;
    const { codec, blocks } = form;
    this.#planes = traitsOf(codec).planes.map(
      (_, plane) => new Uint8Array(strip.columns * blocks * planeBytes(codec, plane, codec.groupSize)),
    );
  }

  get bytes(): number {
    return this.#planes.reduce((sum, { length }) => sum + length, 0);
  }

  /** Takes the planes of a tile, which lie block of rows by block of rows. */
  put({ firstRow }: Tile, planes: readonly Uint8Array[]): void {
    const { codec, blocks } = this.#form;
    const shape = { columns: this.#strip.columns, blocks, firstBlock: firstRow / codec.groupSize };
    for (const [plane, from] of planes.entries()) {
      const into = this.#planes[plane];
      if (into !== undefined) byColumns(from, into, planeBytes(codec, plane, codec.groupSize), shape);
    }
  }

  /** The entries of the output, complete, and where they begin in them. */
  entries(): readonly { readonly bytes: Uint8Array; readonly begin: number }[] {
    const [levels = new Uint8Array(), scales = new Uint8Array(), zeroPoints = new Uint8Array()] = this.#planes;
    const all = [levels, scales, this.#packed(zeroPoints)].slice(0, this.#form.entries);
    return all.map((bytes) => ({ bytes, begin: (bytes.length / this.#strip.columns) * this.#strip.first }));
  }

  /** Zero points of a column, first in the lowest bits; what is left of the last byte are the middle of the levels. */
  #packed(zeroPoints: Uint8Array): Uint8Array {
    const { codec, blocks } = this.#form;
    const { bits } = codec;
    if (bits === 8) return zeroPoints;
    const perByte = 8 / bits;
    const bytes = Math.ceil(blocks / perByte);
    const packed = new Uint8Array(bytes * this.#strip.columns);
    for (let column = 0; column < this.#strip.columns; ++column) {
      for (let slot = 0; slot < bytes * perByte; ++slot) {
        const value = slot < blocks ? (zeroPoints[column * blocks + slot] ?? 0) : 2 ** (bits - 1);
        const at = column * bytes + Math.floor(slot / perByte);
        packed[at] = (packed[at] ?? 0) | (value << ((slot % perByte) * bits));
      }
    }
    return packed;
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

type Units = Uint8Array | Uint16Array | Uint32Array;

function move<Array extends Units>(
  from: Array,
  into: Array,
  unit: number,
  { columns, blocks, firstBlock }: Shape,
): void {
  const count = from.length / unit / columns;
  let at = 0;
  for (let block = 0; block < count; ++block) {
    let to = (firstBlock + block) * unit;
    const step = blocks * unit - unit;
    for (let column = 0; column < columns; ++column, to += step) {
      for (let index = 0; index < unit; ++index) into[to++] = from[at++] ?? 0;
    }
  }
}
