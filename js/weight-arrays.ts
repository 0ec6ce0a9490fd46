/** The arrays that weights come in. */

import { fieldsOf, isArrayOf } from './checks.js';
import { QuantizeError } from './errors.js';

/** A `Float16Array`, told by what it has: type libraries older than ES2025 do not know the name. */
export interface HalfArray extends ArrayBufferView {
  readonly length: number;
  readonly BYTES_PER_ELEMENT: number;
  readonly [Symbol.toStringTag]: 'Float16Array';
}

export type WeightArray = Float32Array | HalfArray;

/** By tag: those of another realm are no `instanceof` ours. */
export function isWeightArray(value: unknown): value is WeightArray {
  return (
    isArrayOf(value, 'Float32Array') ||
    (ArrayBuffer.isView(value) && Object.prototype.toString.call(value) === '[object Float16Array]')
  );
}

/** Throws where `value` is a Promise: what it will resolve to was meant. */
export function refuseUnawaited(value: unknown, layer?: string): void {
  if (typeof fieldsOf(value)['then'] !== 'function') return;
  const detail = 'a Promise was given, did you forget await?';
  throw new QuantizeError('invalid_weights', { ...(layer !== undefined && { layer }), detail });
}

/** The same for a layer's weights, or its `data`. */
export function refuseUnawaitedLayer(entry: unknown, layer: string): void {
  refuseUnawaited(entry, layer);
  if (!ArrayBuffer.isView(entry)) refuseUnawaited(fieldsOf(entry)['data'], layer);
}
