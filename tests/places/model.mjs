import { writeFileSync } from 'node:fs';
import { bfloatTensor, float32Tensor, halfTensor, modelFile } from '../js/support/models/safetensors.mjs';

/**
 * A model that becomes affine safetensors as well as GGUF, by the names of its family, with every dtype of weights. Returns
 * its tensors' number.
 */
export function writeSmallModel(file) {
  const block = (index) => [
    halfTensor(`double_blocks.${index}.img_attn.qkv.weight`, [768, 256], 10 * index + 1),
    bfloatTensor(`double_blocks.${index}.img_attn.proj.weight`, [256, 256], 10 * index + 2),
    float32Tensor(`double_blocks.${index}.img_attn.proj.bias`, [256], 10 * index + 3),
    float32Tensor(`double_blocks.${index}.img_mlp.0.weight`, [512, 256], 10 * index + 4),
    float32Tensor(`double_blocks.${index}.norm.weight`, [256], 10 * index + 5),
  ];
  const tensors = [0, 1, 2, 3].flatMap(block);
  writeFileSync(file, modelFile(tensors));
  return tensors.length;
}
