import { planeBytes, traitsOf, type Codec } from '../../codecs/codec.js';
import { WINDOW_WEIGHTS } from '../../wasm/windows.js';

/** Columns that are encoded together, and whose entries are put together in memory. */
export interface Strip {
  readonly first: number;
  readonly columns: number;
}

/** Rows of a strip that fit into a window: whole blocks, but for the tensor's last. */
export interface Tile {
  readonly strip: Strip;
  readonly firstRow: number;
  /** Of the tensor. */
  readonly rows: number;
  /** With those that fill up the last block. */
  readonly filledRows: number;
}

/** A matrix, cut. */
export interface CutMatrix {
  readonly blocks: number;
  readonly strips: readonly { readonly strip: Strip; readonly tiles: readonly Tile[] }[];
}

/**
 * Cuts a matrix into strips of columns, as wide as windows allow and as what is put together of one takes at most
 * `mostBytes`, and those into tiles.
 */
export function cutMatrix(
  { rows, columns }: { readonly rows: number; readonly columns: number },
  codec: Codec,
  mostBytes: number,
): CutMatrix {
  const { groupSize, bits } = codec;
  const blocks = Math.ceil(rows / groupSize);
  // Blocks of rows that share a byte of zero points are never parted.
  const unit = groupSize * (8 / bits);
  const byMemory = Math.floor(mostBytes / (blocks * unitBytes(codec)));
  const width = Math.max(1, Math.min(columns, byMemory, Math.floor(WINDOW_WEIGHTS / unit)));
  const tileRows = Math.floor(WINDOW_WEIGHTS / width / unit) * unit;
  const strips = Array.from({ length: Math.ceil(columns / width) }, (_, index) => {
    const strip = { first: index * width, columns: Math.min(width, columns - index * width) };
    return { strip, tiles: tilesOf(strip, rows, { tileRows, groupSize }) };
  });
  return { blocks, strips };
}

function tilesOf(
  strip: Strip,
  rows: number,
  { tileRows, groupSize }: { readonly tileRows: number; readonly groupSize: number },
): Tile[] {
  return Array.from({ length: Math.ceil(rows / tileRows) }, (_, index): Tile => {
    const firstRow = index * tileRows;
    const own = Math.min(tileRows, rows - firstRow);
    return { strip, firstRow, rows: own, filledRows: Math.ceil(own / groupSize) * groupSize };
  });
}

/** Bytes of a group in all planes. */
const unitBytes = (codec: Codec): number =>
  traitsOf(codec).planes.reduce((sum, _, plane) => sum + planeBytes(codec, plane, codec.groupSize), 0);
