/** The types of GGUF files and of the tensors in them. */

import { CODECS } from '../codecs/table.js';
import { COPY, type BlockType, type FileType, type TensorType } from '../types.js';
import type { WrittenType } from './copied.js';

/** Types of whole files, and what most matrices become in them; the mixtures give some matrices more bits. */
export const BASE_TYPES = Object.fromEntries(
  CODECS.flatMap(({ name, fileTypes }) => fileTypes.map((type) => [type.name, name])),
) as Readonly<Record<FileType, TensorType>>;

/** The numbers of the types of whole files, as `general.file_type` has them. */
export const FILE_TYPE_IDS = Object.fromEntries(
  CODECS.flatMap(({ fileTypes }) => fileTypes.map(({ name, id }) => [name, id])),
) as Readonly<Record<FileType, number>>;

/** By type, the weights of a block: a row (the last dimension) must be a whole number of them. */
export const BLOCK_WEIGHTS = Object.fromEntries(
  CODECS.map(({ name, blockWeights }) => [name, blockWeights]),
) as Readonly<Record<TensorType, number>>;

export const isBlockType = (type: TensorType): type is BlockType => BLOCK_WEIGHTS[type] > 1;

/** Whether files of a type are to have something quantized. */
export const quantizes = (type: WrittenType): boolean => type !== COPY && isBlockType(BASE_TYPES[type]);

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
