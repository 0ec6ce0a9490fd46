/** Quantized layers out of rows of Arrow tables. */

import { fieldsOf, isArrayOf, isDetached } from '../checks.js';
import { QuantizeError } from '../errors.js';

type Fields = Readonly<Record<string, unknown>>;

/** A layer as `dequantize` takes it, before its arrays have been compared with its shape. */
export interface RowLayer {
  readonly quantizedData: Uint8Array;
  readonly scales: Float32Array;
  /** Empty where `fractions` is not null. */
  readonly zeroPoints: Uint8Array;
  /** Zero points that are not all whole numbers from 0 to 255; every level has a byte of its own then. */
  readonly fractions: Float32Array | null;
  readonly shape: readonly number[];
  readonly bitWidth: number;
  readonly groupSize: number;
  readonly symmetric: boolean;
}

/**
 * The quantized layer that a row holds: of a table that `toTable` has made, or of one with the same columns of which
 * `group_size` and `symmetric` may be missing, zero points may be any numbers, and every level may have a byte of its own. The
 * levels stay where they lie. Throws `invalid_weights` with the column, and `detached_buffer`.
 */
export function readRow(row: unknown): RowLayer {
  const fields = fieldsOf(row);
  const { quantized_data: levels, group_size: groupSize, symmetric } = fields;
  const quantizedData = isArrayOf(levels, 'Uint8Array') ? levels : arrayOf(fields, 'quantized_data');
  if (!isArrayOf(quantizedData, 'Uint8Array'))
    throw errorIn(fields, 'quantized_data', 'no bytes, must be a Uint8Array');
  const given = arrayOf(fields, 'scales');
  const scales = isArrayOf(given, 'Float32Array') ? given : Float32Array.from(given, Number);
  // Without lengths everything else of the row would seem wrong.
  if (isDetached(quantizedData) || isDetached(scales)) throw new QuantizeError('detached_buffer', layerOf(fields));
  const shape = Array.from(arrayOf(fields, 'shape'), Number);
  const weights = shape.reduce((product, size) => product * size, 1);
  return {
    ...{ quantizedData, scales, shape },
    ...zeroPointsOf(fields, quantizedData.length === weights),
    bitWidth: storedBits(numberOf(fields, 'bit_width'), quantizedData.length, weights),
    groupSize:
      groupSize === undefined || groupSize === null
        ? likelyGroupSize(fields, weights, scales.length)
        : numberOf(fields, 'group_size'),
    symmetric: symmetric === true,
  };
}

function errorIn(row: Fields, column: string, detail: string): QuantizeError {
  return new QuantizeError('invalid_weights', { ...layerOf(row), detail: `column ${column} of the row: ${detail}` });
}

function layerOf({ layer_name: layer }: Fields): { readonly layer?: string } {
  return typeof layer === 'string' ? { layer } : {};
}

/** The elements of a list, which libraries give as a typed array, as a vector, or as an array. */
function arrayOf(row: Fields, column: string): ArrayLike<number | bigint> {
  const value = row[column];
  const { toArray, nullCount } = fieldsOf(value);
  const elements: unknown = typeof toArray === 'function' ? Reflect.apply(toArray, value, []) : value;
  const isArray = Array.isArray(elements);
  const isList = ArrayBuffer.isView(elements) || isArray;
  if (!isList) throw errorIn(row, column, value === null || value === undefined ? 'missing' : 'no list');
  // Typed arrays have no place for nulls, and what made them counts those; arrays have nulls and gaps themselves.
  const hasNulls = isArray ? elements.includes(null) || elements.includes(undefined) : Number(nullCount ?? 0) > 0;
  if (hasNulls) throw errorIn(row, column, 'a null in it');
  return elements as unknown as ArrayLike<number | bigint>;
}

function numberOf(row: Fields, column: string): number {
  const value = row[column];
  if (typeof value === 'number' || typeof value === 'bigint') return Number(value);
  throw errorIn(row, column, value === null || value === undefined ? 'missing' : 'no number');
}

/** Only levels of a byte each can have fractions: no kernel knows them, and how bits are packed is for kernels to know. */
function zeroPointsOf(row: Fields, hasBytes: boolean): Pick<RowLayer, 'zeroPoints' | 'fractions'> {
  const given = arrayOf(row, 'zero_points');
  if (isArrayOf(given, 'Uint8Array')) return { zeroPoints: given, fractions: null };
  const numbers = Array.from(given, Number);
  const zeroPoints = Uint8Array.from(numbers);
  const odd = numbers.findIndex((number, index) => number !== zeroPoints[index]);
  if (odd < 0) return { zeroPoints, fractions: null };
  if (hasBytes && numbers.every(Number.isFinite)) {
    return { zeroPoints: new Uint8Array(), fractions: Float32Array.from(numbers) };
  }
  const needed = `must be a ${hasBytes ? 'number' : 'whole number from 0 to 255, since levels are packed'}`;
  const wrong = hasBytes ? numbers.findIndex((number) => !Number.isFinite(number)) : odd;
  throw errorIn(row, 'zero_points', `element ${String(wrong)} is ${String(numbers[wrong])}, ${needed}`);
}

/** Levels that have a byte each, though fewer bits would do, are decoded as those of 8 bits, by the same formula. */
const storedBits = (bits: number, bytes: number, weights: number): number =>
  bits < 8 && bytes === weights && bytes !== Math.ceil((weights * bits) / 8) ? 8 : bits;

const GROUP_SIZES = [32, 64, 128, 256];

/** The only group size that gives so many scales; 0 for the whole tensor. */
function likelyGroupSize(row: Fields, weights: number, scales: number): number {
  if (scales <= 1) return 0;
  const fitting = GROUP_SIZES.filter((size) => Math.ceil(weights / size) === scales);
  const [size] = fitting;
  if (size !== undefined && fitting.length === 1) return size;
  const counts = `${String(scales)} scales for ${String(weights)} weights`;
  throw errorIn(
    row,
    'group_size',
    `missing, and ${counts} do not say what it is; add the column, with 0 for the whole tensor`,
  );
}
