import type { DiffusersLayout } from './layout.js';

const BLOCK = 'joint_blocks.*';
const JOINT = 'transformer_blocks.*';

/** SD3 and SD3.5, whose medium model has a second attention. */
export const SD3: DiffusersLayout = {
  keepsOthers: false,
  modules: [
    { name: 'x_embedder.proj', from: ['pos_embed.proj'] },
    { name: 'context_embedder', from: ['context_embedder'] },
    { name: 't_embedder.mlp.0', from: ['time_text_embed.timestep_embedder.linear_1'] },
    { name: 't_embedder.mlp.2', from: ['time_text_embed.timestep_embedder.linear_2'] },
    { name: 'y_embedder.mlp.0', from: ['time_text_embed.text_embedder.linear_1'] },
    { name: 'y_embedder.mlp.2', from: ['time_text_embed.text_embedder.linear_2'] },
    { name: `${BLOCK}.x_block.adaLN_modulation.1`, from: [`${JOINT}.norm1.linear`] },
    {
      name: `${BLOCK}.context_block.adaLN_modulation.1`,
      from: [`${JOINT}.norm1_context.linear`],
      // The context of the last block is only read: its modulation is that of a final layer.
      swapsHalves: 'last',
    },
    ...(['attn', 'attn2'] as const).flatMap((attention) => [
      {
        name: `${BLOCK}.x_block.${attention}.qkv`,
        from: ['to_q', 'to_k', 'to_v'].map((one) => `${JOINT}.${attention}.${one}`),
      },
      { name: `${BLOCK}.x_block.${attention}.proj`, from: [`${JOINT}.${attention}.to_out.0`] },
      { name: `${BLOCK}.x_block.${attention}.ln_q`, from: [`${JOINT}.${attention}.norm_q`] },
      { name: `${BLOCK}.x_block.${attention}.ln_k`, from: [`${JOINT}.${attention}.norm_k`] },
    ]),
    {
      name: `${BLOCK}.context_block.attn.qkv`,
      from: ['add_q_proj', 'add_k_proj', 'add_v_proj'].map((one) => `${JOINT}.attn.${one}`),
    },
    { name: `${BLOCK}.context_block.attn.proj`, from: [`${JOINT}.attn.to_add_out`] },
    { name: `${BLOCK}.context_block.attn.ln_q`, from: [`${JOINT}.attn.norm_added_q`] },
    { name: `${BLOCK}.context_block.attn.ln_k`, from: [`${JOINT}.attn.norm_added_k`] },
    { name: `${BLOCK}.x_block.mlp.fc1`, from: [`${JOINT}.ff.net.0.proj`] },
    { name: `${BLOCK}.x_block.mlp.fc2`, from: [`${JOINT}.ff.net.2`] },
    { name: `${BLOCK}.context_block.mlp.fc1`, from: [`${JOINT}.ff_context.net.0.proj`] },
    { name: `${BLOCK}.context_block.mlp.fc2`, from: [`${JOINT}.ff_context.net.2`] },
    { name: 'final_layer.adaLN_modulation.1', from: ['norm_out.linear'], swapsHalves: true },
    { name: 'final_layer.linear', from: ['proj_out'] },
  ],
  parameters: [{ name: 'pos_embed', from: ['pos_embed.pos_embed'] }],
};
