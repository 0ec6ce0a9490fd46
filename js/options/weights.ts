/** Reads the arrays that callers pass, of whatever realm. */

import { fieldsOf, isArrayOf, isDetached, reading } from '../checks.js';
import { QuantizeError } from '../errors.js';
import { part } from '../part.js';
import { isWeightArray, refuseUnawaited, refuseUnawaitedLayer, type WeightArray } from '../weight-arrays.js';
import type { Weights, WeightsByName } from '../types.js';
import type { RawQuantizedLayer, RawWeights } from '../wasm/module.js';

/**
 * The caller's weights as a Map of our realm, at once, or of an Arrow table when what reads it has been loaded.
 * Throws for names that are no strings or occur twice; the arrays themselves are checked by the module before it copies.
 */
export function collectWeights(
  weights: WeightsByName,
  { transfer }: { readonly transfer: boolean },
): Map<string, RawWeights> | Promise<Map<string, RawWeights>> {
  if (isTable(weights)) {
    const detail = 'transfer has no meaning for an Arrow table, all of which may lie in one buffer; leave it out';
    if (transfer) throw new QuantizeError('invalid_option', { detail });
    return part(() => import('../arrow/read.js')).then(({ readTable }) =>
      reading('invalid_weights', () => readTable(weights)),
    );
  }
  const collected = new Map<string, RawWeights>();
  for (const [name, value] of entriesOf(weights)) {
    if (collected.has(name)) throw new QuantizeError('duplicate_layer', { layer: name });
    collected.set(name, value);
  }
  return collected;
}

/** Whether it is a table or a record batch of a library for Arrow. */
export const isTable = (value: unknown): boolean => Array.isArray(fieldsOf(fieldsOf(value)['schema'])['fields']);

function* entriesOf(weights: unknown): Generator<readonly [string, RawWeights]> {
  refuseUnawaited(weights);
  if (typeof weights !== 'object' || weights === null || ArrayBuffer.isView(weights)) throw noWeights();
  for (const entry of listOf(weights)) yield pairOf(entry);
}

function listOf(weights: object): Iterable<unknown> {
  if (isIterable(weights)) return weights;
  if (Symbol.asyncIterator in weights) {
    const detail = 'an async iterable was given; collect its pairs first, with for await';
    throw new QuantizeError('invalid_weights', { detail });
  }
  const entries = Object.entries(weights);
  // A Date or a WeakMap shows nothing either, and is no batch of no layers.
  if (entries.length === 0 && !isPlain(weights)) throw noWeights();
  return entries;
}

const noWeights = (): QuantizeError =>
  new QuantizeError('invalid_weights', { detail: 'a Map, pairs or a plain object of arrays by layer name is needed' });

/** Whether nothing but Object.prototype, of whatever realm, is behind it. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

const isIterable = (value: object): value is Iterable<unknown> =>
  typeof (value as Partial<Iterable<unknown>>)[Symbol.iterator] === 'function';

function pairOf(entry: unknown): readonly [string, RawWeights] {
  if (!Array.isArray(entry)) {
    throw new QuantizeError('invalid_weights', { detail: 'an entry is no pair of a layer name and its weights' });
  }
  const [name, weights] = entry as readonly unknown[];
  if (typeof name !== 'string') throw new QuantizeError('invalid_weights', { detail: 'a layer name is no string' });
  refuseUnawaitedLayer(weights, name);
  return [name, weights as RawWeights];
}

/** A single tensor's weights, with its shape. */
export function readShapedWeights(weights: Weights): { readonly data: WeightArray; readonly shape: readonly number[] } {
  refuseUnawaited(weights);
  const { data, shape } = isWeightArray(weights) ? { data: weights, shape: [weights.length] } : fieldsOf(weights);
  refuseUnawaited(data);
  if (!isWeightArray(data)) throw new QuantizeError('invalid_weights');
  if (isDetached(data)) throw new QuantizeError('detached_buffer');
  const sizes = readShape(shape);
  if (elementCount(sizes) !== data.length) {
    const detail = `shape [${sizes.join(', ')}] against ${String(data.length)} weights`;
    throw new QuantizeError('shape_mismatch', { detail });
  }
  return { data, shape: sizes };
}

/** Encoded blocks. */
export function readBlocks(bytes: unknown): Uint8Array {
  refuseUnawaited(bytes);
  if (!isArrayOf(bytes, 'Uint8Array')) throw new QuantizeError('invalid_weights', { detail: 'a Uint8Array is needed' });
  if (isDetached(bytes)) throw new QuantizeError('detached_buffer');
  return bytes;
}

const isSize = (size: unknown): size is number => Number.isSafeInteger(size) && Number(size) >= 0;

function readShape(shape: unknown): number[] {
  if (Array.isArray(shape) && shape.every(isSize)) return [...shape];
  throw new QuantizeError('shape_mismatch', { detail: 'the shape is no array of sizes' });
}

const elementCount = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** Group sizes as the module counts them: 0 is the whole tensor. */
const RAW_GROUP_SIZES: ReadonlyMap<unknown, number> = new Map<unknown, number>([
  [32, 32],
  [64, 64],
  [128, 128],
  [256, 256],
  ['tensor', 0],
  [0, 0],
]);

/**
 * A quantized layer at once; or, of a row of an Arrow table, when what reads it has been loaded, the layer that it holds, or the
 * weights themselves where the module cannot restore them. `signal` ends that.
 */
export function readLayerOrRow(
  layer: unknown,
  signal: AbortSignal | undefined,
): RawQuantizedLayer | Promise<RawQuantizedLayer | Float32Array> {
  refuseUnawaited(layer);
  if (fieldsOf(layer)['quantized_data'] === undefined) return readQuantizedLayer(layer);
  return part(() => import('../arrow/read.js')).then(async ({ readRow, restoreFractions }) =>
    reading('invalid_weights', () => {
      const { fractions, ...row } = readRow(layer);
      const raw = readQuantizedLayer(row);
      return fractions === null ? raw : restoreFractions(raw, fractions, signal);
    }),
  );
}

/** Fields of a quantized layer, as the module takes them; it compares the arrays' lengths with the shape itself. */
export function readQuantizedLayer(layer: unknown): RawQuantizedLayer {
  const { quantizedData, scales, zeroPoints, shape, bitWidth, groupSize, symmetric } = fieldsOf(layer);
  if (
    !isArrayOf(quantizedData, 'Uint8Array') ||
    !isArrayOf(scales, 'Float32Array') ||
    !isArrayOf(zeroPoints, 'Uint8Array')
  ) {
    const detail = 'a quantized layer { quantizedData, scales, zeroPoints, shape, bitWidth, groupSize } is needed';
    throw new QuantizeError('invalid_weights', { detail });
  }
  if (bitWidth !== 2 && bitWidth !== 4 && bitWidth !== 8) {
    throw new QuantizeError('invalid_bit_width', { detail: String(bitWidth) });
  }
  const rawGroupSize = RAW_GROUP_SIZES.get(groupSize);
  if (rawGroupSize === undefined) {
    throw new QuantizeError('invalid_option', { detail: `groupSize is ${String(groupSize)}` });
  }
  const sizes = readShape(shape);
  if (!Number.isSafeInteger(elementCount(sizes))) {
    throw new QuantizeError('shape_mismatch', { detail: `shape [${sizes.join(', ')}] has too many elements` });
  }
  const arrays = { quantizedData, scales, zeroPoints };
  return { ...arrays, shape: sizes, bitWidth, groupSize: rawGroupSize, symmetric: symmetric === true };
}
