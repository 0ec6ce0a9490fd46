/** What one layer looks like before and after: a histogram, and a map of its weights and of their errors. */

/** Most cells of a map. */
const MAP_ROWS = 48;
const MAP_COLUMNS = 96;
const BINS = 96;
/** A larger layer is looked at in a sample of its rows. */
const MOST_WEIGHTS = 4 * 2 ** 20;
/** Rows of the map that are read from a layer too large to be read whole. */
const SAMPLED_ROWS = 16;
/** Histograms end at this many standard deviations; what lies beyond is counted in the last bins. */
const DEVIATIONS = 5;

export interface LayerView {
  readonly name: string;
  readonly elements: number;
  /** Weights that were looked at; fewer than `elements` for a very large layer. */
  readonly sampled: number;
  readonly histogram: {
    /** Middle of the first and of the last bin. */
    readonly low: number;
    readonly high: number;
    readonly before: Float64Array;
    readonly after: Float64Array;
  };
  /** Row-major cells: of the weights the one of largest magnitude, of the errors the root of the mean square. */
  readonly map: {
    readonly rows: number;
    readonly columns: number;
    readonly matrix: readonly [rows: number, columns: number];
    readonly weights: Float32Array;
    readonly errors: Float32Array;
  };
}

/** Reads elements [begin, end). */
export interface LayerReader {
  before(begin: number, end: number): Promise<Float32Array>;
  after(begin: number, end: number): Promise<Float32Array>;
}

/** A stretch of whole rows of the layer as a matrix, and the row of the map that it belongs to when it is a sample. */
interface Stretch {
  readonly firstRow: number;
  readonly rows: number;
}

export async function layerView(name: string, shape: readonly number[], reader: LayerReader): Promise<LayerView> {
  const [rows, columns] = matrixShape(shape);
  const stretches = stretchesOf(rows, columns);
  const map = new MapBuilder(rows, columns);
  const parts: (readonly [Float32Array, Float32Array])[] = [];
  for (const { firstRow, rows: count } of stretches) {
    const [begin, end] = [firstRow * columns, (firstRow + count) * columns];
    const before = await reader.before(begin, end);
    const after = await reader.after(begin, end);
    map.add(before, after, firstRow);
    parts.push([before, after]);
  }
  const sampled = parts.reduce((count, [before]) => count + before.length, 0);
  return { name, elements: rows * columns, sampled, histogram: histogramOf(parts), map: map.build() };
}

/** Output channels by what each of them sums up; a vector is folded into rows. */
export function matrixShape(shape: readonly number[]): readonly [rows: number, columns: number] {
  const elements = shape.reduce((product, extent) => product * extent, 1);
  const first = shape.find((extent) => extent > 1) ?? 1;
  if (first < elements) return [first, elements / first];
  for (let rows = Math.floor(Math.sqrt(elements)); rows > 1; --rows) {
    if (elements % rows === 0) return [rows, elements / rows];
  }
  return [1, elements];
}

function stretchesOf(rows: number, columns: number): readonly Stretch[] {
  if (rows * columns <= MOST_WEIGHTS) return [{ firstRow: 0, rows }];
  const bins = Math.min(SAMPLED_ROWS, rows);
  const each = Math.max(1, Math.floor(MOST_WEIGHTS / bins / columns));
  return Array.from({ length: bins }, (_, index) => {
    const firstRow = Math.floor((index * rows) / bins);
    const next = Math.floor(((index + 1) * rows) / bins);
    return { firstRow, rows: Math.min(each, next - firstRow) };
  });
}

class MapBuilder {
  readonly #matrix: readonly [number, number];
  readonly #rows: number;
  readonly #columns: number;
  readonly #weights: Float32Array;
  readonly #squares: Float64Array;
  readonly #counts: Float64Array;

  constructor(rows: number, columns: number) {
    this.#matrix = [rows, columns];
    this.#rows = Math.min(rows, rows * columns <= MOST_WEIGHTS ? MAP_ROWS : SAMPLED_ROWS);
    this.#columns = Math.min(columns, MAP_COLUMNS);
    const cells = this.#rows * this.#columns;
    this.#weights = new Float32Array(cells);
    this.#squares = new Float64Array(cells);
    this.#counts = new Float64Array(cells);
  }

  add(before: Float32Array, after: Float32Array, firstRow: number): void {
    const [rows, columns] = this.#matrix;
    const cellOfColumn = Uint32Array.from({ length: columns }, (_, column) =>
      Math.floor((column * this.#columns) / columns),
    );
    for (let index = 0, row = firstRow; index < before.length; ++row) {
      const base = Math.floor((row * this.#rows) / rows) * this.#columns;
      for (let column = 0; column < columns; ++column, ++index) {
        const cell = base + (cellOfColumn[column] ?? 0);
        const weight = before[index] ?? 0;
        const error = (after[index] ?? 0) - weight;
        if (Math.abs(weight) > Math.abs(this.#weights[cell] ?? 0)) this.#weights[cell] = weight;
        this.#squares[cell] = (this.#squares[cell] ?? 0) + error * error;
        this.#counts[cell] = (this.#counts[cell] ?? 0) + 1;
      }
    }
  }

  build(): LayerView['map'] {
    const errors = Float32Array.from(this.#squares, (sum, cell) =>
      Math.sqrt(sum / Math.max(1, this.#counts[cell] ?? 0)),
    );
    return { rows: this.#rows, columns: this.#columns, matrix: this.#matrix, weights: this.#weights, errors };
  }
}

type Parts = readonly (readonly [before: Float32Array, after: Float32Array])[];

function histogramOf(parts: Parts): LayerView['histogram'] {
  const [low, high] = rangeOf(parts);
  const before = new Float64Array(BINS);
  const after = new Float64Array(BINS);
  const scale = high > low ? (BINS - 1) / (high - low) : 0;
  const count = (bins: Float64Array, values: Float32Array): void => {
    for (const value of values) {
      const bin = Math.min(BINS - 1, Math.max(0, Math.round((value - low) * scale)));
      bins[bin] = (bins[bin] ?? 0) + 1;
    }
  };
  for (const [originals, restored] of parts) {
    count(before, originals);
    count(after, restored);
  }
  return { low, high, before, after };
}

function rangeOf(parts: Parts): readonly [low: number, high: number] {
  let [least, largest, sum, squares, count] = [Infinity, -Infinity, 0, 0, 0];
  for (const [originals] of parts) {
    for (const value of originals) {
      if (value < least) least = value;
      if (value > largest) largest = value;
      sum += value;
      squares += value * value;
    }
    count += originals.length;
  }
  if (count === 0) return [0, 0];
  const mean = sum / count;
  const spread = DEVIATIONS * Math.sqrt(Math.max(0, squares / count - mean * mean));
  return [Math.max(least, mean - spread), Math.min(largest, mean + spread)];
}
