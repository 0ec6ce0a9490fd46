/** What `arrowquant/arrow` gives the rest of the package: makes Arrow's tables of layers. */

import type { RawQuantizedLayer } from '../wasm/module.js';

/** A layer, and its name. Its group size is 0 where one group spans the whole tensor. */
export interface TableRow extends RawQuantizedLayer {
  readonly name: string;
}

/** How zero points are stored. */
export type ZeroPointType = 'float32' | 'uint8';

/** Both throw a RangeError for what Arrow's offsets of 32 bits cannot say. */
export interface TableMaker {
  toTable(rows: readonly TableRow[], zeroPoints: ZeroPointType): unknown;
  toRecordBatch(rows: readonly TableRow[], zeroPoints: ZeroPointType): unknown;
}

/** Where it lies, for every copy of the package, ES module or CommonJS. */
export const MAKER = Symbol.for('arrowquant/arrow');
