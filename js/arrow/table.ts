/** Weights out of Arrow tables. */

import { fieldsOf } from '../checks.js';
import { QuantizeError, quoted } from '../errors.js';
import type { RawWeights } from '../wasm/module.js';
import { isWeightArray, type HalfArray, type WeightArray } from '../weight-arrays.js';
import {
  cellsOf,
  checkAttached,
  columnNamed,
  errorAt,
  listAt,
  typeName,
  valueAt,
  type Cell,
  type ListValue,
  type Place,
} from './columns.js';

const WEIGHTS = 'a list of float32 or float16';
const SHAPE = 'a list of whole numbers';

/**
 * The weights of a Table or RecordBatch, each array in the memory of its column; `layer_name` and `weights` are needed, `shape`
 * need not be there, and other columns are left alone. Throws, with column and row, `invalid_weights`, `duplicate_layer`,
 * `shape_mismatch` and `detached_buffer`.
 */
export function readTable(table: unknown): Map<string, RawWeights> {
  const fields = fieldsOf(table);
  const columns = { names: needed(fields, 'layer_name'), weights: needed(fields, 'weights') };
  const shape = columnNamed(fields, 'shape');
  for (const column of [columns.names, columns.weights, shape ?? columns.weights]) checkAttached(column);
  const shapes = shape === undefined ? undefined : cellsOf(shape);
  const rows = new Map<string, number>();
  const layers = cellsOf(columns.weights).map((cell, row): [string, RawWeights] => {
    const layer = nameAt(columns.names, row);
    checkNew(rows, layer, row);
    const place = { column: 'weights', row, layer };
    const data = weightsOf(listAt(cell, place, WEIGHTS), place);
    return [layer, shapes === undefined ? data : { data, shape: shapeOf(shapes[row], data.length, row, layer) }];
  });
  return new Map(layers);
}

/** Throws `duplicate_layer` for a name that another row has had. */
function checkNew(rows: Map<string, number>, layer: string, row: number): void {
  const first = rows.get(layer);
  rows.set(layer, row);
  if (first === undefined) return;
  const detail = `also in row ${String(first)}`;
  throw errorAt({ column: 'layer_name', row, layer }, detail, 'duplicate_layer');
}

function needed(table: Readonly<Record<string, unknown>>, name: string): Readonly<Record<string, unknown>> {
  const column = columnNamed(table, name);
  if (column !== undefined) return column;
  throw new QuantizeError('invalid_weights', { detail: `the table has no column ${quoted(name)}` });
}

function nameAt(names: Readonly<Record<string, unknown>>, row: number): string {
  const name = valueAt(names, row);
  if (typeof name === 'string') return name;
  const found = name === null || name === undefined ? 'null' : typeName(names['type']);
  throw errorAt({ column: 'layer_name', row }, `${found}, must be a text`);
}

function weightsOf({ elements, type }: ListValue, place: Place): WeightArray {
  const array: unknown = elements;
  if (isWeightArray(array)) return array;
  // Arrow's own number for half precision; integers of 16 bits have none.
  const isHalves = elements[Symbol.toStringTag] === 'Uint16Array' && type['precision'] === 0;
  if (isHalves) return new Halves(elements.buffer, elements.byteOffset, elements.length);
  throw errorAt(place, `a list of ${typeName(type)}, must be ${WEIGHTS}`);
}

/** Where the runtime has no Float16Array: what the module takes for one, since only bytes, length and tag are looked at. */
class Bits extends Uint16Array {}
Object.defineProperty(Bits.prototype, Symbol.toStringTag, { value: 'Float16Array' });

type HalvesConstructor = new (buffer: ArrayBufferLike, byteOffset: number, length: number) => HalfArray;

const Halves = (fieldsOf(globalThis)['Float16Array'] ?? Bits) as HalvesConstructor;

const INTEGERS = /^(?:Big)?(?:Int|Uint)\d+Array$/u;

function shapeOf(cell: Cell | undefined, weights: number, row: number, layer: string): readonly number[] {
  const place = { column: 'shape', row, layer };
  if (cell === undefined) throw errorAt(place, `missing, must be ${SHAPE}`);
  const { elements, type } = listAt(cell, place, SHAPE);
  if (!INTEGERS.test(elements[Symbol.toStringTag]) || type['precision'] !== undefined) {
    throw errorAt(place, `a list of ${typeName(type)}, must be ${SHAPE}`);
  }
  const shape = Array.from(elements as unknown as ArrayLike<number | bigint>, Number);
  const isShape = shape.every((size) => Number.isSafeInteger(size) && size >= 0);
  if (isShape && shape.reduce((product, size) => product * size, 1) === weights) return shape;
  throw errorAt(place, `shape [${shape.join(', ')}] against ${String(weights)} weights`, 'shape_mismatch');
}
