/** Models to start from. */
import {
  bfloatTensor,
  float32Tensor,
  floatsOf,
  fromFloats,
  halfTensor,
  modelFile,
} from '../../js/support/models/safetensors.mjs';

/** Tensors of every float type, some that rules keep, and some that nobody quantizes. */
export const kTensors = [
  float32Tensor('layers.0.full.weight', [6, 256], 1),
  halfTensor('layers.0.half.weight', [2, 3, 512], 2),
  bfloatTensor('layers.1.bfloat.weight', [4, 256], 3),
  float32Tensor('layers.1.bfloat.bias', [40], 4),
  // Its planes have odd numbers of bytes, and no rows of blocks.
  halfTensor('layers.1.odd.weight', [5, 37], 6),
  halfTensor('layers.1.norm.weight', [256], 5),
  { name: 'positions', dtype: 'I32', shape: [5], bytes: Buffer.from(Int32Array.of(1, -2, 3, 4, 5).buffer) },
  fromFloats('layers.2.empty.weight', 'F32', [0, 256], []),
];

export const kMatrices = kTensors.filter(({ name }) => /(?:full|half|bfloat)\.weight$/u.test(name));

export const kModel = modelFile(kTensors, { title: 'a model' });

/** Values of a tensor of `dtype` F32, F16 or BF16, with its shape. */
export const weightsOf = (tensor) => ({ data: floatsOf(tensor), shape: tensor.shape });

/** One importance for each column, none the same; every seventh is 0. */
export const importanceOf = (columns, seed = 1) =>
  Float32Array.from({ length: columns }, (_, i) => (i % 7 === 3 ? 0 : 0.25 + ((i * 37 * seed) % 101) / 16));
