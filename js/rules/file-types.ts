/** The types of GGUF files and of the tensors in them. */

import type { BlockType, FileType, TensorType } from '../types.js';

/** Types of whole files, and what most matrices become in them; the mixtures give some matrices more bits. */
export const BASE_TYPES: Readonly<Record<FileType, TensorType>> = {
  F32: 'F32',
  F16: 'F16',
  BF16: 'BF16',
  Q4_0: 'Q4_0',
  Q4_1: 'Q4_1',
  Q5_0: 'Q5_0',
  Q5_1: 'Q5_1',
  Q8_0: 'Q8_0',
  Q2_K: 'Q2_K',
  Q3_K_S: 'Q3_K',
  Q3_K_M: 'Q3_K',
  Q3_K_L: 'Q3_K',
  Q4_K_S: 'Q4_K',
  Q4_K_M: 'Q4_K',
  Q5_K_S: 'Q5_K',
  Q5_K_M: 'Q5_K',
  Q6_K: 'Q6_K',
  IQ4_NL: 'IQ4_NL',
  IQ4_XS: 'IQ4_XS',
};

/** By type, the weights of a block: a row (the last dimension) must be a whole number of them. */
export const BLOCK_WEIGHTS: Readonly<Record<TensorType, number>> = {
  F32: 1,
  F16: 1,
  BF16: 1,
  Q4_0: 32,
  Q4_1: 32,
  Q5_0: 32,
  Q5_1: 32,
  Q8_0: 32,
  IQ4_NL: 32,
  Q2_K: 256,
  Q3_K: 256,
  Q4_K: 256,
  Q5_K: 256,
  Q6_K: 256,
  IQ4_XS: 256,
};

export const isBlockType = (type: TensorType): type is BlockType => BLOCK_WEIGHTS[type] > 1;

/** Weights of a row; those of a scalar are one. */
export const rowWeights = (shape: readonly number[]): number => shape.at(-1) ?? 1;

export const holdsRows = (type: TensorType, shape: readonly number[]): boolean =>
  rowWeights(shape) % BLOCK_WEIGHTS[type] === 0;

/**
 * The rank as ggml counts it: leading dimensions of 1 do not count, and there is always one dimension. `[1, 3072]` has
 * rank 1, `[3072, 1]` has rank 2.
 */
export function ggmlRank(shape: readonly number[]): number {
  const first = shape.findIndex((extent) => extent !== 1);
  return first < 0 ? 1 : Math.max(1, shape.length - first);
}
