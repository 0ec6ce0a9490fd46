import { unpackedAt } from '../../codecs/packed.js';
import type { ByteRange, ByteSource } from '../../io/byte-io.js';

/** Weights of a MatMulNBits, as its inputs have them: block by block of one column after the other. */
export interface StoredBlocks {
  readonly rows: number;
  readonly columns: number;
  readonly bits: number;
  readonly blockSize: number;
  readonly levels: ByteRange;
  readonly scales: ByteRange;
  /** Bytes of a scale: f32 or f16. */
  readonly scaleBytes: 2 | 4;
  /** Null where all of them are the middle of the levels. */
  readonly zeroPoints: ByteRange | null;
}

/** What a matrix is decoded from. */
interface Planes {
  readonly levels: Uint8Array;
  readonly scales: Float32Array;
  /** One for each block, in the order of the blocks. */
  readonly zeroPoints: Uint8Array;
}

/** Holds the planes of the matrix that is read, and of the one before it: those of a whole model are too many. */
export class HeldPlanes {
  readonly #held = new Map<BlocksSource, Promise<Planes>>();

  of(source: BlocksSource, load: () => Promise<Planes>): Promise<Planes> {
    const known = this.#held.get(source);
    if (known !== undefined) return known;
    const [oldest] = this.#held.keys();
    if (this.#held.size > 1 && oldest !== undefined) this.#held.delete(oldest);
    const loaded = load();
    this.#held.set(source, loaded);
    return loaded;
  }
}

/**
 * The weights of a MatMulNBits as f32 [K, N], which are computed as they are read: (level − zero point)·scale, rounded once.
 * Its planes are held in memory meanwhile. Positions and lengths of reads are multiples of 4.
 */
export class BlocksSource implements ByteSource {
  readonly name: string;
  readonly fileName: string;
  readonly size: number;
  readonly version: string;
  readonly readAside: (position: number, bytes: number) => Promise<Uint8Array>;
  readonly #blocks: StoredBlocks;
  readonly #held: HeldPlanes;

  constructor(blocks: StoredBlocks, held: HeldPlanes) {
    const { source } = blocks.levels;
    this.name = source.name;
    this.fileName = source.fileName;
    this.version = source.version;
    this.size = blocks.rows * blocks.columns * 4;
    this.#blocks = blocks;
    this.#held = held;
    // To compute takes a while: no window is to be held meanwhile.
    this.readAside = async (position, bytes) => {
      const own = new Uint8Array(bytes);
      await this.read(own, position);
      return own;
    };
  }

  async read(into: Uint8Array, position: number): Promise<void> {
    const planes = await this.#held.of(this, () => this.#load());
    const { columns } = this.#blocks;
    const view = new DataView(into.buffer, into.byteOffset, into.length);
    let [row, column] = [Math.floor(position / 4 / columns), (position / 4) % columns];
    for (let at = 0; at < into.length; at += 4) {
      view.setFloat32(at, this.#weightAt(planes, row, column), true);
      if (++column < columns) continue;
      column = 0;
      ++row;
    }
  }

  sibling(name: string): Promise<ByteSource> {
    return this.#blocks.levels.source.sibling(name);
  }

  checkUnchanged(): Promise<void> {
    return this.#blocks.levels.source.checkUnchanged();
  }

  /** The sources belong to others. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  #weightAt({ levels, scales, zeroPoints }: Planes, row: number, column: number): number {
    const { rows, bits, blockSize } = this.#blocks;
    const block = column * Math.ceil(rows / blockSize) + Math.floor(row / blockSize);
    const level = unpackedAt(levels, block * blockSize + (row % blockSize), bits);
    return (level - (zeroPoints[block] ?? 0)) * (scales[block] ?? 0);
  }

  async #load(): Promise<Planes> {
    const { levels, scales, scaleBytes, zeroPoints } = this.#blocks;
    const bytes = await bytesOf(scales);
    return {
      levels: await bytesOf(levels),
      scales:
        scaleBytes === 4 ? new Float32Array(bytes.buffer) : Float32Array.from(new Uint16Array(bytes.buffer), halfValue),
      zeroPoints: this.#unpacked(zeroPoints === null ? null : await bytesOf(zeroPoints)),
    };
  }

  /** Those of each column begin with a byte of their own. */
  #unpacked(packed: Uint8Array | null): Uint8Array {
    const { rows, columns, bits, blockSize } = this.#blocks;
    const blocks = Math.ceil(rows / blockSize);
    const columnBytes = Math.ceil((blocks * bits) / 8);
    const all = new Uint8Array(blocks * columns).fill(2 ** (bits - 1));
    if (packed === null) return all;
    for (let column = 0; column < columns; ++column) {
      const own = packed.subarray(column * columnBytes, (column + 1) * columnBytes);
      for (let block = 0; block < blocks; ++block) all[column * blocks + block] = unpackedAt(own, block, bits);
    }
    return all;
  }
}

async function bytesOf({ source, begin, bytes }: ByteRange): Promise<Uint8Array<ArrayBuffer>> {
  const own = new Uint8Array(bytes);
  if (source.readAside === undefined) await source.read(own, begin);
  else own.set(await source.readAside(begin, bytes));
  return own;
}

/** The value of an f16. */
function halfValue(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}
