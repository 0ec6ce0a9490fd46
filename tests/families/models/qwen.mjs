/** Qwen-Image, and Mage-Flow, whose tensors have the same names. */
import { linear, matrix, rootMeanSquareNorm, within } from '../patterns.mjs';

const kWidth = 3072;

const qwenImage = ({ channels = 64, context = 3584, extra = {} }) => ({
  img_in: linear(kWidth, channels),
  txt_norm: rootMeanSquareNorm(context),
  txt_in: linear(kWidth, context),
  'time_text_embed.timestep_embedder.linear_1': linear(kWidth, 256),
  'time_text_embed.timestep_embedder.linear_2': linear(kWidth, kWidth),
  ...extra,
  ...within('transformer_blocks.{0..1}.', {
    '{img,txt}_mod.1': linear(6 * kWidth, kWidth),
    'attn.{to_q,to_k,to_v,to_out.0,add_q_proj,add_k_proj,add_v_proj,to_add_out}': linear(kWidth, kWidth),
    'attn.norm_{q,k,added_q,added_k}': rootMeanSquareNorm(128),
    '{img,txt}_mlp.net.0.proj': linear(4 * kWidth, kWidth),
    '{img,txt}_mlp.net.2': linear(kWidth, 4 * kWidth),
  }),
  'norm_out.linear': linear(2 * kWidth, kWidth),
  proj_out: linear(channels, kWidth),
});

const kWidth21 = 4096;
const qwenImage21 = {
  img_in: matrix(kWidth21, 64),
  'txt_in.text_norm': rootMeanSquareNorm(4096),
  'txt_in.{in,out}_layer': matrix(kWidth21, 4096),
  'time_text_embed.timestep_embedder.linear_1': matrix(kWidth21, 256),
  'time_text_embed.timestep_embedder.linear_2': matrix(kWidth21, kWidth21),
  'modulation.1': matrix(4 * kWidth21, kWidth21),
  ...within('transformer_blocks.{0..1}.', {
    'attn.{to_q,to_k,to_v,to_out.0}': matrix(kWidth21, kWidth21),
    'attn.norm_{q,k}': rootMeanSquareNorm(128),
    'img_mlp.{proj,gate_layer}': matrix(3 * kWidth21, kWidth21),
    'img_mlp.out': matrix(kWidth21, 3 * kWidth21),
  }),
  'norm_out.linear': matrix(kWidth21, kWidth21),
  proj_out: matrix(64, kWidth21),
};

const kQwen = { comfyui: 'qwen_image', sdcpp: true };

export const QWEN_MODELS = [
  { name: 'qwen image', ...kQwen, modules: qwenImage({}) },
  {
    name: 'qwen image edit',
    ...kQwen,
    prefix: 'model.diffusion_model.',
    // ComfyUI looks whether this tensor is there, which has no weights.
    modules: qwenImage({ extra: { __index_timestep_zero__: [0] } }),
  },
  {
    name: 'qwen image layered',
    ...kQwen,
    modules: qwenImage({ extra: { 'time_text_embed.addition_t_embedding.weight': [2, kWidth] } }),
  },
  { name: 'qwen image 2.1', family: 'qwen_image_2.1', comfyui: 'qwen_image', sdcpp: false, modules: qwenImage21 },
  {
    name: 'mage-flow',
    family: 'mage_flow',
    ...kQwen,
    modules: qwenImage({ channels: 128, context: 2560 }),
    pinned: { 'proj_out.weight': [128, 256] },
  },
];
