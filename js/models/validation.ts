import type { FileComparison } from './compare.js';

/** How accurate a quantized model is, and how much smaller. All lists in sorted name order. */
export interface Validation {
  /** Mean of `perLayerAccuracy`, every layer counting the same; 0 where there is none. */
  readonly cosineSimilarity: number;
  /** Bytes of the original over bytes of the quantized model. */
  readonly compressionRatio: number;
  /** Of the quantized model: bytes of its files, or of the arrays of those of its layers that the original has, over 2^20. */
  readonly modelSizeMb: number;
  /**
   * Whether there are layers, all of the original's are there, in the same shape, and none is below `minCosine`; what has no cosine
   * must be equal.
   */
  readonly passed: boolean;
  /**
   * Cosine of the angle between a layer and what its quantized one is restored to, by name: 1 when both are all zero, 0 when one is.
   * Layers of other types than floats, and those with values that are not finite, have none.
   */
  readonly perLayerAccuracy: Map<string, number>;
  /** Layers with a lower cosine than `minCosine`. */
  readonly below: readonly string[];
  /** Layers without a cosine that differ. */
  readonly changed: readonly string[];
  /** Layers of the original that the quantized model has in another shape, or not at all. */
  readonly reshaped: readonly string[];
  readonly missing: readonly string[];
}

/** What validation needs to know; a FileComparison is one. */
export type Compared = Pick<FileComparison, 'onlyInA' | 'bytesA' | 'bytesB'> & {
  readonly tensors: readonly { readonly name: string; readonly equal: boolean; readonly cosine: number | null }[];
  readonly reshaped: readonly { readonly name: string }[];
};

export function validationOf({ tensors, reshaped, onlyInA, bytesA, bytesB }: Compared, minCosine: number): Validation {
  const perLayerAccuracy = new Map(tensors.flatMap(({ name, cosine }) => (cosine === null ? [] : [[name, cosine]])));
  const cosines = [...perLayerAccuracy.values()];
  const below = [...perLayerAccuracy].flatMap(([name, cosine]) => (cosine < minCosine ? [name] : []));
  const changed = tensors.flatMap(({ name, cosine, equal }) => (cosine === null && !equal ? [name] : []));
  const faults = below.length + changed.length + reshaped.length + onlyInA.length;
  return {
    cosineSimilarity: cosines.length === 0 ? 0 : cosines.reduce((sum, cosine) => sum + cosine, 0) / cosines.length,
    compressionRatio: bytesB === 0 ? 0 : bytesA / bytesB,
    modelSizeMb: bytesB / 2 ** 20,
    passed: faults === 0 && cosines.length > 0,
    ...{ perLayerAccuracy, below, changed, reshaped: reshaped.map(({ name }) => name), missing: onlyInA },
  };
}
