/**
 * Models of other files of this folder as the library diffusers names their tensors, with attention in three parts;
 * `original` is the same model's name there.
 */
import { convolution, linear, matrix, rootMeanSquareNorm, within } from '../patterns.mjs';

const kProjections = 'attn.{to_q,to_k,to_v,to_out.0,add_q_proj,add_k_proj,add_v_proj,to_add_out}';

const kFluxWidth = 3072;
const flux = {
  x_embedder: linear(kFluxWidth, 64),
  context_embedder: linear(kFluxWidth, 4096),
  'time_text_embed.{timestep,guidance}_embedder.linear_1': linear(kFluxWidth, 256),
  'time_text_embed.text_embedder.linear_1': linear(kFluxWidth, 768),
  'time_text_embed.{timestep,guidance,text}_embedder.linear_2': linear(kFluxWidth, kFluxWidth),
  ...within('transformer_blocks.{0..1}.', {
    'norm1{,_context}.linear': linear(6 * kFluxWidth, kFluxWidth),
    [kProjections]: linear(kFluxWidth, kFluxWidth),
    'attn.norm_{q,k,added_q,added_k}': rootMeanSquareNorm(128),
    'ff{,_context}.net.0.proj': linear(4 * kFluxWidth, kFluxWidth),
    'ff{,_context}.net.2': linear(kFluxWidth, 4 * kFluxWidth),
  }),
  ...within('single_transformer_blocks.{0..1}.', {
    'norm.linear': linear(3 * kFluxWidth, kFluxWidth),
    proj_mlp: linear(4 * kFluxWidth, kFluxWidth),
    proj_out: linear(kFluxWidth, 5 * kFluxWidth),
    'attn.{to_q,to_k,to_v}': linear(kFluxWidth, kFluxWidth),
    'attn.norm_{q,k}': rootMeanSquareNorm(128),
  }),
  'norm_out.linear': linear(2 * kFluxWidth, kFluxWidth),
  proj_out: linear(64, kFluxWidth),
};

const kKleinWidth = 4096;
const flux2 = {
  x_embedder: matrix(kKleinWidth, 128),
  context_embedder: matrix(kKleinWidth, 12288),
  'time_guidance_embed.timestep_embedder.linear_1': matrix(kKleinWidth, 256),
  'time_guidance_embed.timestep_embedder.linear_2': matrix(kKleinWidth, kKleinWidth),
  'double_stream_modulation_{img,txt}.linear': matrix(6 * kKleinWidth, kKleinWidth),
  'single_stream_modulation.linear': matrix(3 * kKleinWidth, kKleinWidth),
  ...within('transformer_blocks.{0..1}.', {
    [kProjections]: matrix(kKleinWidth, kKleinWidth),
    'attn.norm_{q,k,added_q,added_k}': rootMeanSquareNorm(128),
    'ff{,_context}.linear_in': matrix(6 * kKleinWidth, kKleinWidth),
    'ff{,_context}.linear_out': matrix(kKleinWidth, 3 * kKleinWidth),
  }),
  ...within('single_transformer_blocks.{0..1}.attn.', {
    to_qkv_mlp_proj: matrix(9 * kKleinWidth, kKleinWidth),
    to_out: matrix(kKleinWidth, 4 * kKleinWidth),
    'norm_{q,k}': rootMeanSquareNorm(128),
  }),
  'norm_out.linear': matrix(2 * kKleinWidth, kKleinWidth),
  proj_out: matrix(128, kKleinWidth),
};

const kSd3Width = 1536;
const sd3 = {
  'pos_embed.proj': convolution(kSd3Width, 16, 2, 2),
  'pos_embed.pos_embed': [1, 36864, kSd3Width],
  'time_text_embed.timestep_embedder.linear_1': linear(kSd3Width, 256),
  'time_text_embed.text_embedder.linear_1': linear(kSd3Width, 2048),
  'time_text_embed.{timestep,text}_embedder.linear_2': linear(kSd3Width, kSd3Width),
  context_embedder: linear(kSd3Width, 4096),
  ...within('transformer_blocks.{0..2}.', {
    'norm1.linear': linear(6 * kSd3Width, kSd3Width),
    'attn.{to_q,to_k,to_v,to_out.0,add_q_proj,add_k_proj,add_v_proj}': linear(kSd3Width, kSd3Width),
    'ff.net.0.proj': linear(4 * kSd3Width, kSd3Width),
    'ff.net.2': linear(kSd3Width, 4 * kSd3Width),
  }),
  ...within('transformer_blocks.{0,1}.', {
    'norm1_context.linear': linear(6 * kSd3Width, kSd3Width),
    'attn.to_add_out': linear(kSd3Width, kSd3Width),
    'ff_context.net.0.proj': linear(4 * kSd3Width, kSd3Width),
    'ff_context.net.2': linear(kSd3Width, 4 * kSd3Width),
  }),
  'transformer_blocks.2.norm1_context.linear': linear(2 * kSd3Width, kSd3Width),
  'norm_out.linear': linear(2 * kSd3Width, kSd3Width),
  proj_out: linear(64, kSd3Width),
};

const kAuraWidth = 3072;
const perceptron = { 'linear_{1,2}': matrix(8192, kAuraWidth), out_projection: matrix(kAuraWidth, 8192) };
const aura = {
  'pos_embed.proj': linear(kAuraWidth, 16),
  'pos_embed.pos_embed': [1, 9216, kAuraWidth],
  register_tokens: [1, 8, kAuraWidth],
  'time_step_proj.linear_1': linear(kAuraWidth, 256),
  'time_step_proj.linear_2': linear(kAuraWidth, kAuraWidth),
  context_embedder: matrix(kAuraWidth, 2048),
  ...within('joint_transformer_blocks.{0..3}.', {
    'norm1{,_context}.linear': matrix(6 * kAuraWidth, kAuraWidth),
    [kProjections]: matrix(kAuraWidth, kAuraWidth),
    ...within('ff{,_context}.', perceptron),
  }),
  ...within('single_transformer_blocks.{0..1}.', {
    'norm1.linear': matrix(6 * kAuraWidth, kAuraWidth),
    'attn.{to_q,to_k,to_v,to_out.0}': matrix(kAuraWidth, kAuraWidth),
    ...within('ff.', perceptron),
  }),
  'norm_out.linear': matrix(2 * kAuraWidth, kAuraWidth),
  proj_out: matrix(16, kAuraWidth),
};

const kZWidth = 3840;
const zBlock = {
  'attention.{to_q,to_k,to_v,to_out.0}': matrix(kZWidth, kZWidth),
  'attention.norm_{q,k}': rootMeanSquareNorm(128),
  'feed_forward.w{1,3}': matrix(10240, kZWidth),
  'feed_forward.w2': matrix(kZWidth, 10240),
  '{attention,ffn}_norm{1,2}': rootMeanSquareNorm(kZWidth),
};
const zImage = {
  'all_x_embedder.2-1': linear(kZWidth, 64),
  't_embedder.mlp.0': linear(1024, 256),
  't_embedder.mlp.2': linear(256, 1024),
  'cap_embedder.0': rootMeanSquareNorm(2560),
  'cap_embedder.1': linear(kZWidth, 2560),
  '{x,cap}_pad_token': [1, kZWidth],
  ...within('context_refiner.{0,1}.', zBlock),
  ...within('{noise_refiner,layers}.{0,1}.', { ...zBlock, 'adaLN_modulation.0': linear(4 * kZWidth, 256) }),
  'all_final_layer.2-1.adaLN_modulation.1': linear(kZWidth, 256),
  'all_final_layer.2-1.linear': linear(64, kZWidth),
};

const kLayout = { comfyui: null, sdcpp: false };

export const DIFFUSERS_MODELS = [
  { name: 'flux dev of diffusers', family: 'flux', ...kLayout, original: 'flux dev', modules: flux },
  { name: 'flux 2 klein of diffusers', family: 'flux2', ...kLayout, original: 'flux 2 klein', modules: flux2 },
  { name: 'sd3 medium of diffusers', family: 'sd3', ...kLayout, original: 'sd3 medium', modules: sd3 },
  { name: 'auraflow of diffusers', family: 'aura', ...kLayout, original: 'auraflow', modules: aura },
  { name: 'z-image base of diffusers', family: 'z_image', ...kLayout, original: 'z-image base', modules: zImage },
];
