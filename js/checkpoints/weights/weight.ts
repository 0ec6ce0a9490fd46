import type { CodedTensor } from '../../layouts/tensor.js';

/**
 * Weights that a checkpoint has, or that are made of them while they are read: a tensor of F32, F16 or BF16 with one plane. What
 * changes it makes another one; nothing is read before the bytes are needed.
 */
export type Weight = CodedTensor;

/** The same weights under another name. */
export const renamed = (weight: Weight, name: string): Weight => ({
  ...weight,
  name,
  partNames: weight.partNames ?? [weight.name],
});
