/** Small models with the tensor names of diffusion families. */
import { bfloatTensor, float32Tensor, halfTensor } from './safetensors.mjs';

/** By family: what its name is known by, and tensors that its rules treat in ways of their own. */
export const kDiffusionModels = {
  flux: (make) => [
    make('double_blocks.0.img_attn.proj.weight', [256, 256], 1),
    make('double_blocks.0.img_attn.qkv.weight', [768, 256], 2),
    make('single_blocks.0.linear1.weight', [96, 512], 3),
    make('img_in.weight', [256, 64], 4),
    make('final_layer.linear.weight', [64, 256], 5),
    make('double_blocks.0.img_attn.proj.bias', [256], 6),
  ],
  sdxl: (make) => [
    make('label_emb.0.0.weight', [128, 64], 1),
    make('input_blocks.0.0.weight', [320, 4, 3, 3], 2),
    make('input_blocks.1.0.in_layers.2.weight', [64, 32, 3, 3], 3),
    make('middle_block.1.transformer_blocks.0.attn1.to_v.weight', [64, 320], 4),
    make('middle_block.1.transformer_blocks.0.ff.net.2.weight', [64, 512], 5),
    make('out.0.bias', [320], 6),
    make('odd.weight', [3, 5], 7),
  ],
  sd3: (make) => [
    make('joint_blocks.0.x_block.attn.qkv.weight', [768, 256], 1),
    make('joint_blocks.0.x_block.mlp.fc1.weight', [512, 256], 2),
    make('x_embedder.proj.weight', [256, 16, 2, 2], 3),
    make('pos_embed', [1, 36, 256], 4),
  ],
  wan: (make) => [
    make('blocks.0.self_attn.norm_q.weight', [256], 1),
    make('text_embedding.2.weight', [256, 256], 2),
    make('head.modulation', [1, 2, 1536], 3),
    make('blocks.0.modulation', [1, 6, 256], 4),
    make('blocks.0.self_attn.v.weight', [256, 256], 5),
    make('blocks.0.ffn.2.weight', [256, 512], 6),
    make('patch_embedding.weight', [256, 16, 1, 2, 2], 7),
  ],
  hidream: (make) => [
    make('caption_projection.0.linear.weight', [256, 512], 1),
    make('double_stream_blocks.0.block.ff_i.shared_experts.w3.weight', [256, 256], 2),
    make('double_stream_blocks.0.block.ff_i.gate.weight', [8, 256], 3),
    make('double_stream_blocks.0.block.ff_i.experts.0.w2.weight', [256, 512], 4),
  ],
};

export const kMakers = { F32: float32Tensor, F16: halfTensor, BF16: bfloatTensor };

/** The family's tensors of a dtype, with a prefix. */
export const diffusionModel = (family, { dtype = 'BF16', prefix = '' } = {}) =>
  kDiffusionModels[family]((name, shape, seed) => kMakers[dtype](prefix + name, shape, seed));
