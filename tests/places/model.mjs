import { writeFileSync } from 'node:fs';
import { bfloatTensor, float32Tensor, halfTensor, modelFile } from '../js/support/models/safetensors.mjs';

/** A model that becomes affine safetensors as well as GGUF, with every dtype of weights. Returns its tensors' number. */
export function writeSmallModel(file) {
  const block = (index) => [
    halfTensor(`blocks.${index}.attn.qkv.weight`, [768, 256], 10 * index + 1),
    bfloatTensor(`blocks.${index}.attn.proj.weight`, [256, 256], 10 * index + 2),
    float32Tensor(`blocks.${index}.attn.proj.bias`, [256], 10 * index + 3),
    float32Tensor(`blocks.${index}.mlp.weight`, [512, 256], 10 * index + 4),
    float32Tensor(`blocks.${index}.norm.weight`, [256], 10 * index + 5),
  ];
  const tensors = [0, 1, 2, 3].flatMap(block);
  writeFileSync(file, modelFile(tensors));
  return tensors.length;
}
