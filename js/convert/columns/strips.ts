import { codecBytes, type Codec } from '../../codecs/codec.js';
import type { ColumnBlocks } from '../../plan/report.js';
import { WINDOW_WEIGHTS } from '../../wasm/windows.js';

/** Columns, or parts of all of them, that are encoded together. */
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

/** What is put together in memory and written in one go: some columns of all rows, or some rows of all columns. */
export interface MatrixPart {
  readonly tiles: readonly Tile[];
  readonly first: Tile;
}

/**
 * Cuts a matrix into parts, as large as windows allow, and planes of at most `mostBytes` of each, if that is not less than the
 * least there can be. The fewer strips there are, the longer are the runs of bytes that they are read in.
 */
export function cutMatrix(matrix: ColumnBlocks, codec: Codec, mostBytes: number): readonly MatrixPart[] {
  const { rows, columns, order } = matrix;
  const mostWeights = (mostBytes / codecBytes(codec, codec.groupSize)) * codec.groupSize;
  // Blocks of rows whose levels share a byte are never parted.
  const unit = codec.groupSize * (codec.bits === 0 ? 1 : 8 / codec.bits);
  const widest = Math.max(1, Math.floor(WINDOW_WEIGHTS / unit));
  if (order === 'columns') {
    const most = Math.max(1, Math.min(columns, widest, Math.floor(mostWeights / rows)));
    const width = Math.ceil(columns / Math.ceil(columns / most));
    const height = Math.floor(WINDOW_WEIGHTS / width / unit) * unit;
    return stripsOf(columns, width).map((strip) =>
      partOf(bandsOf(rows, height, codec).map((band) => ({ ...band, strip }))),
    );
  }
  const width = Math.min(columns, widest);
  const most = Math.floor(Math.min(mostWeights / columns, WINDOW_WEIGHTS / width) / unit) * unit;
  const strips = stripsOf(columns, width);
  return bandsOf(rows, Math.max(unit, most), codec).map((band) => partOf(strips.map((strip) => ({ ...band, strip }))));
}

function partOf(tiles: readonly Tile[]): MatrixPart {
  const [first] = tiles;
  if (first === undefined) throw new RangeError('a matrix has rows and columns');
  return { first, tiles };
}

const stripsOf = (columns: number, width: number): Strip[] =>
  Array.from({ length: Math.ceil(columns / width) }, (_, index) => {
    const first = index * width;
    return { first, columns: Math.min(width, columns - first) };
  });

const bandsOf = (rows: number, height: number, { groupSize }: Codec): Omit<Tile, 'strip'>[] =>
  Array.from({ length: Math.ceil(rows / height) }, (_, index) => {
    const firstRow = index * height;
    const own = Math.min(height, rows - firstRow);
    return { firstRow, rows: own, filledRows: Math.ceil(own / groupSize) * groupSize };
  });
