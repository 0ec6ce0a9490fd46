import { quoted } from '../../containers/invalid-file.js';
import type { ByteRange, ByteSource } from '../../io/byte-io.js';
import type { Tensor } from '../../layouts/tensor.js';
import { readRange } from '../../pipeline/piece-input.js';
import { bytesOf, damaged, type Layer } from './layer.js';
import type { Numbers } from './numbers.js';

/** Codecs take one scale for so many contiguous weights at most. */
const MOST_UNIT = 256;
const SCALE_BYTES = 4;
/** More bytes of scales than these are read row by row: only hostile shapes need them for one window. */
const MOST_BYTES = 2 ** 23;

/** Where the scale of each weight of a matrix lies among those that are stored. */
export interface Grid {
  readonly rows: number;
  readonly columns: number;
  /** Contiguous weights with the same scale, a power of two; columns are a multiple, unless there is one row. */
  readonly unit: number;
  /** Index of the scale of the unit with this column of units. */
  readonly index: (row: number, column: number) => number;
  /** The first row of the rows whose scales lie among each other with this one's, and how many they are. */
  readonly rowsTogether: number;
}

/** The largest unit that divides all of `sizes`. */
export function unitFor(...sizes: readonly number[]): number {
  let unit = MOST_UNIT;
  while (unit > 1 && sizes.some((size) => size % unit !== 0)) unit /= 2;
  return unit;
}

/** One scale for all of `elements` weights. */
export const wholeGrid = (elements: number, unit = MOST_UNIT): Grid => {
  return { rows: 1, columns: elements, unit, index: () => 0, rowsTogether: 1 };
};

/** One scale for each row. */
export const rowGrid = (rows: number, columns: number, unit = unitFor(columns)): Grid => {
  return { rows, columns, unit, index: (row) => row, rowsTogether: 1 };
};

/** Scales of tiles, row of tiles by row of tiles. Those at the ends may be smaller. */
export function tileGrid(rows: number, columns: number, tileRows: number, tileColumns: number): Grid {
  const unit = unitFor(columns, tileColumns);
  const across = Math.ceil(columns / tileColumns);
  return {
    ...{ rows, columns, unit, rowsTogether: 1 },
    index: (row, column) => Math.floor(row / tileRows) * across + Math.floor((column * unit) / tileColumns),
  };
}

/** Scales of blocks of the flattened tensor, the last of which may be short. */
export function blockGrid(elements: number, block: number): Grid {
  const unit = unitFor(block);
  return {
    ...{ rows: 1, columns: elements, unit, rowsTogether: 1 },
    index: (_, column) => Math.floor((column * unit) / block),
  };
}

/**
 * Scales of `unit` weights as cuBLAS wants them (its documentation, "1D block scaling factors layout"): in tiles of 128 rows
 * and 4 scales, 512 scales each, which lie row of tiles by row of tiles. Within a tile, row r is the 16 scales from
 * 16 · (r mod 32) on, of which it has those from 4 · (r div 32) on.
 */
export function swizzledGrid(rows: number, columns: number, unit: number): Grid {
  const tiles = Math.ceil(columns / unit / 4);
  return {
    ...{ rows, columns, unit, rowsTogether: 128 },
    index: (row, column) =>
      (Math.floor(row / 128) * tiles + Math.floor(column / 4)) * 512 +
      (row % 32) * 16 +
      Math.floor((row % 128) / 32) * 4 +
      (column % 4),
  };
}

/** How many scales such a grid has, what fills up the tiles included. */
export const swizzledCount = (rows: number, columns: number, unit: number): number =>
  Math.ceil(rows / 128) * 128 * Math.ceil(columns / unit / 4) * 4;

/** Scales of a layer. */
export interface Scales {
  readonly layer: Layer;
  readonly tensor: Tensor;
  readonly numbers: Numbers;
  readonly grid: Grid;
  /** What becomes of each, given its index too; rounded to f32 afterwards. */
  readonly adjust?: ((scale: number, index: number) => number) | undefined;
}

/** A plane whose units are made, while they are read, of the elements of a tensor that its grid names. */
export interface DerivedPlane {
  readonly tensor: Tensor;
  readonly grid: Grid;
  /** Bytes of an element of the tensor, and of a unit of the plane. */
  readonly elementBytes: number;
  readonly unitBytes: number;
  /** So many elements behind the last one that the grid names are needed as well, as far as there are so many. */
  readonly behind?: number | undefined;
  /** Writes the unit at `at` of `into`, of the element at `position` of `stored`, which is number `index` of the tensor. */
  readonly put: (into: DataView, at: number, stored: DataView, position: number, index: number, row: number) => void;
}

const unchanged = (scale: number): number => scale;

/** A plane of F32 scales, one for each unit of a layer's weights, which are made of the stored ones while they are read. */
export function spreadScales({ layer, tensor, numbers, grid, adjust = unchanged }: Scales): ByteRange {
  const put: DerivedPlane['put'] = (into, at, stored, position, index) => {
    const scale = adjust(numbers.at(stored, position), index);
    into.setFloat32(at, scale, true);
    if (Number.isFinite(Math.fround(scale))) return;
    throw damaged(layer, `has a scale (${quoted(tensor.name)}) that is not finite`);
  };
  return derivedPlane({ tensor, grid, elementBytes: numbers.bytes, unitBytes: SCALE_BYTES, put });
}

/** The bytes of such a plane. */
export function derivedPlane(plane: DerivedPlane): ByteRange {
  const { grid, tensor, unitBytes } = plane;
  const bytes = grid.rows * Math.ceil(grid.columns / grid.unit) * unitBytes;
  const { source } = bytesOf(tensor);
  const spread = async (position: number, count: number): Promise<Uint8Array> => {
    const first = Math.floor(position / unitBytes);
    const end = Math.ceil((position + count) / unitBytes);
    const units = await unitsOf(plane, first, end);
    return units.subarray(position - first * unitBytes, position - first * unitBytes + count);
  };
  const read = async (into: Uint8Array, position: number): Promise<void> => {
    into.set(await spread(position, into.length));
  };
  const aside = source.readAside === undefined ? {} : { readAside: spread };
  return { source: { ...derived(source, bytes, read), ...aside }, begin: 0, bytes };
}

/** A plane of the same F32 scale, `count` times; it counts as a part of the file `source`. */
export const sameScales = (source: ByteSource, scale: number, count: number): ByteRange =>
  sameUnits(source, new Uint8Array(Float32Array.of(scale).buffer), count);

/** The same for units of any bytes. */
export function sameUnits(source: ByteSource, unit: Uint8Array, count: number): ByteRange {
  const read = (into: Uint8Array, position: number): Promise<void> => {
    for (let at = 0; at < into.length; ++at) into[at] = unit[(position + at) % unit.length] ?? 0;
    return Promise.resolve();
  };
  const size = count * unit.length;
  return { source: derived(source, size, read), begin: 0, bytes: size };
}

/** Bytes that are in memory already; they count as a part of the file `source`. */
export function heldBytes(source: ByteSource, bytes: Uint8Array): ByteRange {
  const read = (into: Uint8Array, position: number): Promise<void> => {
    into.set(bytes.subarray(position, position + into.length));
    return Promise.resolve();
  };
  return { source: derived(source, bytes.length, read), begin: 0, bytes: bytes.length };
}

/** Bytes that are made of a file's, which is somebody else's to close. */
const derived = (source: ByteSource, size: number, read: ByteSource['read']): ByteSource => ({
  ...{ name: source.name, fileName: source.fileName, size, version: source.version, read },
  sibling: (name) => source.sibling(name),
  checkUnchanged: () => source.checkUnchanged(),
  close: () => Promise.resolve(),
});

/** The units from `first` to `end`. */
async function unitsOf(plane: DerivedPlane, first: number, end: number): Promise<Uint8Array> {
  const { grid, elementBytes, unitBytes } = plane;
  const across = Math.ceil(grid.columns / grid.unit);
  const units = new Uint8Array((end - first) * unitBytes);
  const isLarge = across * grid.rowsTogether * elementBytes > MOST_BYTES;
  for (let begin = first; begin < end;) {
    const next = isLarge ? Math.min(end, (Math.floor(begin / across) + 1) * across) : end;
    const part = units.subarray((begin - first) * unitBytes, (next - first) * unitBytes);
    await putUnits(part, plane, begin, across);
    begin = next;
  }
  return units;
}

/** The least and the largest index among the elements of some units. */
function boundsOf({ index, rowsTogether }: Grid, begin: number, end: number, across: number): [number, number] {
  const [firstRow, lastRow] = [Math.floor(begin / across), Math.floor((end - 1) / across)];
  if (firstRow === lastRow) {
    return [index(firstRow, begin % across), index(firstRow, (end - 1) % across)];
  }
  const top = firstRow - (firstRow % rowsTogether);
  const bottom = lastRow - (lastRow % rowsTogether) + rowsTogether - 1;
  return [index(top, 0), index(bottom, across - 1)];
}

async function putUnits(units: Uint8Array, plane: DerivedPlane, begin: number, across: number): Promise<void> {
  const { tensor, grid, elementBytes, unitBytes, behind = 0, put } = plane;
  const count = units.length / unitBytes;
  if (count === 0) return;
  const [least, most] = boundsOf(grid, begin, begin + count, across);
  const end = Math.max(most + 1, Math.min(most + 1 + behind, tensor.elements));
  const range = bytesOf(tensor);
  const stored = viewOf(
    await readRange({
      source: range.source,
      begin: range.begin + least * elementBytes,
      bytes: (end - least) * elementBytes,
    }),
  );
  const into = viewOf(units);
  let row = Math.floor(begin / across);
  let column = begin % across;
  for (let at = 0; at < units.length; at += unitBytes) {
    const index = grid.index(row, column);
    put(into, at, stored, (index - least) * elementBytes, index, row);
    if (++column < across) continue;
    column = 0;
    ++row;
  }
}

const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, byteLength);
