/** A small checkpoint with the names, ranks and types of Stable Diffusion 1.5: U-Net, autoencoder, CLIP, and what training left. */
import { bfloatTensor, float32Tensor, halfTensor } from './safetensors.mjs';

const kUNet = 'model.diffusion_model.';
const kVae = 'first_stage_model.';
const kClip = 'cond_stage_model.transformer.text_model.';

/** I64 as a tensor. */
export const integerTensor = (name, shape, values) => {
  const bytes = Buffer.alloc(values.length * 8);
  values.forEach((value, index) => bytes.writeBigInt64LE(BigInt(value), index * 8));
  return { name, dtype: 'I64', shape, bytes };
};

/** F64 as a tensor. */
export const doubleTensor = (name, shape, values) => {
  const bytes = Buffer.alloc(values.length * 8);
  values.forEach((value, index) => bytes.writeDoubleLE(value, index * 8));
  return { name, dtype: 'F64', shape, bytes };
};

/** `width` is that of the first rows (320 in the original), others are twice or four times as long; there are few of them. */
const parts = (width) => [
  [`${kUNet}time_embed.0.weight`, [16, width]],
  [`${kUNet}time_embed.0.bias`, [16]],
  [`${kUNet}input_blocks.0.0.weight`, [32, 4, 3, 3]],
  [`${kUNet}input_blocks.0.0.bias`, [width]],
  [`${kUNet}input_blocks.1.0.in_layers.0.weight`, [width]],
  [`${kUNet}input_blocks.1.0.in_layers.2.weight`, [8, width, 3, 3]],
  [`${kUNet}input_blocks.1.0.emb_layers.1.weight`, [32, 4 * width]],
  [`${kUNet}input_blocks.1.1.proj_in.weight`, [32, width, 1, 1]],
  [`${kUNet}input_blocks.1.1.transformer_blocks.0.norm1.weight`, [width]],
  [`${kUNet}input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight`, [32, width]],
  [`${kUNet}input_blocks.1.1.transformer_blocks.0.attn2.to_v.weight`, [32, 768]],
  [`${kUNet}input_blocks.1.1.transformer_blocks.0.ff.net.2.bias`, [width]],
  [`${kUNet}input_blocks.4.1.transformer_blocks.0.attn1.to_q.weight`, [32, 2 * width]],
  [`${kUNet}middle_block.1.proj_out.weight`, [32, width, 1, 1]],
  [`${kUNet}out.2.weight`, [4, width, 3, 3]],
  [`${kVae}decoder.conv_in.weight`, [64, 4, 3, 3]],
  [`${kVae}decoder.mid.attn_1.q.weight`, [64, 64, 1, 1]],
  [`${kVae}decoder.mid.block_1.norm1.weight`, [64]],
  [`${kVae}post_quant_conv.weight`, [4, 4, 1, 1]],
  [`${kClip}embeddings.token_embedding.weight`, [16, 768]],
  [`${kClip}embeddings.position_embedding.weight`, [77, 768]],
  [`${kClip}encoder.layers.0.self_attn.q_proj.weight`, [64, 768]],
  [`${kClip}encoder.layers.0.self_attn.q_proj.bias`, [64]],
  [`${kClip}encoder.layers.0.layer_norm1.weight`, [768]],
  [`${kClip}encoder.layers.0.mlp.fc2.weight`, [64, 768]],
];

const kMakers = { F32: float32Tensor, F16: halfTensor, BF16: bfloatTensor };

/** Left by training: the program never reads it. */
export const kLeftovers = [
  float32Tensor('betas', [1000], 90),
  float32Tensor('posterior_variance', [1000], 91),
  float32Tensor('sqrt_one_minus_alphas_cumprod', [1000], 92),
  float32Tensor('model_ema.diffusion_modelinput_blocks00weight', [64, 4, 3, 3], 93),
  integerTensor('model_ema.num_updates', [], [470000]),
  integerTensor(`${kClip}embeddings.position_ids`, [1, 4], [0, 1, 2, 3]),
];

/** Tensors of the checkpoint, in the order of their names. */
export const sdCheckpoint = ({ dtype = 'F16', width = 320 } = {}) =>
  [
    ...parts(width).map(([name, shape], index) => kMakers[dtype](name, shape, index + 1)),
    ...kLeftovers,
    doubleTensor('alphas_cumprod', [4], [0.9991499781608582, 1e-310, -0, 0.1]),
    integerTensor('global_step', [2], [-2147483648, 2147483647]),
  ].sort((a, b) => (a.name < b.name ? -1 : 1));
