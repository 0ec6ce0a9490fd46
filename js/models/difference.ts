import type { ErrorSums } from '../wasm/windows.js';

/** How two runs of values differ. */
export interface Difference {
  /** Whether all values are equal; NaN equals NaN, 0 equals -0. */
  readonly equal: boolean;
  /** Whether all values of both are finite; the sums mean nothing otherwise. */
  readonly finite: boolean;
  readonly sums: ErrorSums;
}

/** Compares two runs of the same length; all sums are f64, in element order. */
export function differenceOf(original: Float32Array, restored: Float32Array): Difference {
  let equal = true;
  let squaredError = 0;
  let squaredOriginal = 0;
  let squaredRestored = 0;
  let dot = 0;
  let maxError = 0;
  for (let index = 0; index < original.length; ++index) {
    const before = original[index] ?? 0;
    const after = restored[index] ?? 0;
    const error = before - after;
    if (before !== after && !(Number.isNaN(before) && Number.isNaN(after))) equal = false;
    squaredError += error * error;
    squaredOriginal += before * before;
    squaredRestored += after * after;
    dot += before * after;
    if (Math.abs(error) > maxError) maxError = Math.abs(error);
  }
  // Squares of f32 values cannot overflow a double: the sums are infinite or NaN only if a value is.
  const finite = Number.isFinite(squaredOriginal) && Number.isFinite(squaredRestored);
  return { equal, finite, sums: { squaredError, squaredOriginal, squaredRestored, dot, maxError } };
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
