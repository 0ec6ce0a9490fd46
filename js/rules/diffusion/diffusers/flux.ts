import type { DiffusersLayout } from './layout.js';

const DOUBLE = 'double_blocks.*';
const JOINT = 'transformer_blocks.*';
const SINGLE = 'single_blocks.*';
const SINGLE_JOINT = 'single_transformer_blocks.*';

/** Flux, and Flux.2, whose modules have names of their own in diffusers. */
export const FLUX: DiffusersLayout = {
  keepsOthers: false,
  modules: [
    { name: 'img_in', from: ['x_embedder'] },
    { name: 'txt_in', from: ['context_embedder'] },
    ...(['time_text_embed', 'time_guidance_embed'] as const).flatMap((embed) => [
      { name: 'time_in.in_layer', from: [`${embed}.timestep_embedder.linear_1`] },
      { name: 'time_in.out_layer', from: [`${embed}.timestep_embedder.linear_2`] },
      { name: 'guidance_in.in_layer', from: [`${embed}.guidance_embedder.linear_1`] },
      { name: 'guidance_in.out_layer', from: [`${embed}.guidance_embedder.linear_2`] },
    ]),
    { name: 'vector_in.in_layer', from: ['time_text_embed.text_embedder.linear_1'] },
    { name: 'vector_in.out_layer', from: ['time_text_embed.text_embedder.linear_2'] },
    { name: 'double_stream_modulation_img.lin', from: ['double_stream_modulation_img.linear'] },
    { name: 'double_stream_modulation_txt.lin', from: ['double_stream_modulation_txt.linear'] },
    { name: 'single_stream_modulation.lin', from: ['single_stream_modulation.linear'] },
    { name: `${DOUBLE}.img_mod.lin`, from: [`${JOINT}.norm1.linear`] },
    { name: `${DOUBLE}.txt_mod.lin`, from: [`${JOINT}.norm1_context.linear`] },
    { name: `${DOUBLE}.img_attn.qkv`, from: ['to_q', 'to_k', 'to_v'].map((one) => `${JOINT}.attn.${one}`) },
    {
      name: `${DOUBLE}.txt_attn.qkv`,
      from: ['add_q_proj', 'add_k_proj', 'add_v_proj'].map((one) => `${JOINT}.attn.${one}`),
    },
    { name: `${DOUBLE}.img_attn.proj`, from: [`${JOINT}.attn.to_out.0`] },
    { name: `${DOUBLE}.txt_attn.proj`, from: [`${JOINT}.attn.to_add_out`] },
    { name: `${DOUBLE}.img_mlp.0`, from: [`${JOINT}.ff.net.0.proj`] },
    { name: `${DOUBLE}.img_mlp.2`, from: [`${JOINT}.ff.net.2`] },
    { name: `${DOUBLE}.txt_mlp.0`, from: [`${JOINT}.ff_context.net.0.proj`] },
    { name: `${DOUBLE}.txt_mlp.2`, from: [`${JOINT}.ff_context.net.2`] },
    { name: `${DOUBLE}.img_mlp.0`, from: [`${JOINT}.ff.linear_in`] },
    { name: `${DOUBLE}.img_mlp.2`, from: [`${JOINT}.ff.linear_out`] },
    { name: `${DOUBLE}.txt_mlp.0`, from: [`${JOINT}.ff_context.linear_in`] },
    { name: `${DOUBLE}.txt_mlp.2`, from: [`${JOINT}.ff_context.linear_out`] },
    { name: `${SINGLE}.modulation.lin`, from: [`${SINGLE_JOINT}.norm.linear`] },
    {
      name: `${SINGLE}.linear1`,
      from: ['attn.to_q', 'attn.to_k', 'attn.to_v', 'proj_mlp'].map((one) => `${SINGLE_JOINT}.${one}`),
    },
    { name: `${SINGLE}.linear1`, from: [`${SINGLE_JOINT}.attn.to_qkv_mlp_proj`] },
    { name: `${SINGLE}.linear2`, from: [`${SINGLE_JOINT}.proj_out`] },
    { name: `${SINGLE}.linear2`, from: [`${SINGLE_JOINT}.attn.to_out`] },
    { name: 'final_layer.adaLN_modulation.1', from: ['norm_out.linear'], swapsHalves: true },
    { name: 'final_layer.linear', from: ['proj_out'] },
  ],
  parameters: [
    { name: `${DOUBLE}.img_attn.norm.query_norm.scale`, from: [`${JOINT}.attn.norm_q.weight`] },
    { name: `${DOUBLE}.img_attn.norm.key_norm.scale`, from: [`${JOINT}.attn.norm_k.weight`] },
    { name: `${DOUBLE}.txt_attn.norm.query_norm.scale`, from: [`${JOINT}.attn.norm_added_q.weight`] },
    { name: `${DOUBLE}.txt_attn.norm.key_norm.scale`, from: [`${JOINT}.attn.norm_added_k.weight`] },
    { name: `${SINGLE}.norm.query_norm.scale`, from: [`${SINGLE_JOINT}.attn.norm_q.weight`] },
    { name: `${SINGLE}.norm.key_norm.scale`, from: [`${SINGLE_JOINT}.attn.norm_k.weight`] },
  ],
};
