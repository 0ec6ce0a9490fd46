import type { Counterpart, DiffusersLayout } from './layout.js';

const DOUBLE = 'double_layers.*';
const JOINT = 'joint_transformer_blocks.*';
const SINGLE = 'single_layers.*';
const SINGLE_JOINT = 'single_transformer_blocks.*';

const attention = (to: string, from: string, letters: readonly (readonly [string, string])[]): Counterpart[] =>
  letters.map(([original, one]) => ({ name: `${to}.attn.${original}`, from: [`${from}.attn.${one}`] }));

const feedForward = (to: string, from: string): Counterpart[] => [
  { name: `${to}.c_fc1`, from: [`${from}.linear_1`] },
  { name: `${to}.c_fc2`, from: [`${from}.linear_2`] },
  { name: `${to}.c_proj`, from: [`${from}.out_projection`] },
];

/** AuraFlow. */
export const AURA: DiffusersLayout = {
  keepsOthers: false,
  modules: [
    { name: 't_embedder.mlp.0', from: ['time_step_proj.linear_1'] },
    { name: 't_embedder.mlp.2', from: ['time_step_proj.linear_2'] },
    { name: 'cond_seq_linear', from: ['context_embedder'] },
    { name: 'init_x_linear', from: ['pos_embed.proj'] },
    { name: 'final_linear', from: ['proj_out'] },
    { name: 'modF.1', from: ['norm_out.linear'], swapsHalves: true },
    ...attention(DOUBLE, JOINT, [
      ...([
        ['w2q', 'to_q'],
        ['w2k', 'to_k'],
        ['w2v', 'to_v'],
        ['w2o', 'to_out.0'],
      ] as const),
      ...([
        ['w1q', 'add_q_proj'],
        ['w1k', 'add_k_proj'],
        ['w1v', 'add_v_proj'],
        ['w1o', 'to_add_out'],
      ] as const),
    ]),
    ...feedForward(`${DOUBLE}.mlpX`, `${JOINT}.ff`),
    ...feedForward(`${DOUBLE}.mlpC`, `${JOINT}.ff_context`),
    { name: `${DOUBLE}.modX.1`, from: [`${JOINT}.norm1.linear`] },
    { name: `${DOUBLE}.modC.1`, from: [`${JOINT}.norm1_context.linear`] },
    ...attention(SINGLE, SINGLE_JOINT, [
      ['w1q', 'to_q'],
      ['w1k', 'to_k'],
      ['w1v', 'to_v'],
      ['w1o', 'to_out.0'],
    ]),
    ...feedForward(`${SINGLE}.mlp`, `${SINGLE_JOINT}.ff`),
    { name: `${SINGLE}.modCX.1`, from: [`${SINGLE_JOINT}.norm1.linear`] },
  ],
  parameters: [
    { name: 'positional_encoding', from: ['pos_embed.pos_embed'] },
    { name: 'register_tokens', from: ['register_tokens'] },
  ],
};
