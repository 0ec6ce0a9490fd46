import type { ErrorSums } from '../wasm/windows.js';

/**
 * What a tensor lost; computed in f64 over all its weights. What is no finite number is null: weights near the largest f32
 * may be restored as infinities.
 */
export interface TensorMetrics {
  /** Root of the mean squared difference. */
  readonly rmse: number | null;
  /** `rmse` over the root of the mean square of the original; 0 for a tensor of zeros that stayed one, else null for zeros. */
  readonly relativeRmse: number | null;
  /** Cosine of the angle between original and restored weights; 1 when both are all zero, 0 when one is. */
  readonly cosine: number | null;
  /** Largest absolute difference. */
  readonly maxError: number | null;
  /**
   * Share of the squared error, weighed by importance where there is some, that more effort than `reference` has saved; null
   * where none was made, or the reference has no error.
   */
  readonly savedError: number | null;
}

const NOTHING: ErrorSums = {
  ...{ squaredError: 0, squaredOriginal: 0, squaredRestored: 0, dot: 0, maxError: 0 },
  ...{ weightedError: 0, referenceError: 0 },
};

/** The sums over two consecutive stretches. */
export const addSums = (first: ErrorSums, later: ErrorSums): ErrorSums => ({
  squaredError: first.squaredError + later.squaredError,
  squaredOriginal: first.squaredOriginal + later.squaredOriginal,
  squaredRestored: first.squaredRestored + later.squaredRestored,
  dot: first.dot + later.dot,
  maxError: Math.max(first.maxError, later.maxError),
  weightedError: first.weightedError + later.weightedError,
  referenceError: first.referenceError + later.referenceError,
});

/** Metrics of `weights` weights out of the sums over their stretches, in order. */
export function metricsOf(sums: readonly ErrorSums[], weights: number): TensorMetrics {
  const all = sums.reduce(addSums, NOTHING);
  const { squaredError, squaredOriginal, squaredRestored, dot, maxError, weightedError, referenceError } = all;
  return {
    rmse: weights === 0 ? 0 : finiteOrNull(Math.sqrt(squaredError / weights)),
    relativeRmse: squaredError === 0 ? 0 : finiteOrNull(Math.sqrt(squaredError / squaredOriginal)),
    cosine: finiteOrNull(cosineOf(dot, squaredOriginal, squaredRestored)),
    maxError: finiteOrNull(maxError),
    savedError: referenceError === 0 ? null : finiteOrNull(1 - weightedError / referenceError),
  };
}

const finiteOrNull = (value: number): number | null => (Number.isFinite(value) ? value : null);

function cosineOf(dot: number, squaredOriginal: number, squaredRestored: number): number {
  if (squaredOriginal === 0 && squaredRestored === 0) return 1;
  if (squaredOriginal === 0 || squaredRestored === 0) return 0;
  // Two roots: the product of the sums may be too large for a double.
  const cosine = dot / (Math.sqrt(squaredOriginal) * Math.sqrt(squaredRestored));
  return Math.max(-1, Math.min(1, cosine));
}
