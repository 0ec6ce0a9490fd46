/** What llama.cpp knows of a language model's tensors by their names. */

import { ggmlRank } from '../file-types.js';
import type { TensorDescription } from '../rule.js';

/** The role of a matrix, as far as the choice of its type goes by it. */
export type Category =
  | ('output' | 'token_embd' | 'attn_qkv' | 'attn_kv_b' | 'attn_v' | 'attn_k' | 'attn_q' | 'attn_output')
  | ('ffn_up' | 'ffn_gate' | 'ffn_down' | 'other');

/** Whether they are what attention makes values of, alone or with others. */
export const isAttentionValue = (category: Category): boolean => ['attn_v', 'attn_qkv', 'attn_kv_b'].includes(category);

const EMBEDDINGS = ['token_embd.weight', 'per_layer_token_embd.weight'];

/** Parts of names; the first that occurs decides. */
const CATEGORIES: readonly (readonly [part: string, Category])[] = [
  ['attn_qkv.weight', 'attn_qkv'],
  ['attn_kv_b.weight', 'attn_kv_b'],
  ['attn_v.weight', 'attn_v'],
  ['attn_k.weight', 'attn_k'],
  ['attn_q.weight', 'attn_q'],
  ['attn_output.weight', 'attn_output'],
  ['ffn_up', 'ffn_up'],
  ['ffn_gate', 'ffn_gate'],
  ['ffn_down', 'ffn_down'],
];

export function categoryOf(name: string): Category {
  if (name === 'output.weight') return 'output';
  if (EMBEDDINGS.includes(name)) return 'token_embd';
  return CATEGORIES.find(([part]) => name.includes(part))?.[1] ?? 'other';
}

/** What stays as it is, by parts of names. */
const KEPT_PARTS: readonly (readonly [rule: string, parts: readonly string[]])[] = [
  ['norm', ['_norm.weight']],
  ['expert routing', ['ffn_gate_inp.weight', 'ffn_gate_tid2eid.weight']],
  ['small matrix', ['altup', 'laurel', 'per_layer_model_proj', 'indexer.k_proj.weight', 'indexer.q_proj.weight']],
  ['short convolution', ['ssm_conv1d', 'shortconv.conv.weight']],
  [
    'time mixing',
    [
      'first',
      'w0',
      'w1',
      'w2',
      'v0',
      'v1',
      'v2',
      'a0',
      'a1',
      'a2',
      'g1',
      'g2',
      'decay_w1',
      'decay_w2',
      'lerp_fused',
    ].map((part) => `time_mix_${part}.weight`),
  ],
  ['position embedding', ['attn_rel_b.weight', '.position_embd', 'sam.pos_embd', '.rel_pos']],
  [
    'vision or audio part',
    ['sam.neck.', 'sam.net_', '.patch_embd', '.patch_merger', 'a.rvq.codebook', 'mm.a.code_embd'],
  ],
];

/** What stays as it is, by whole names. */
const KEPT_NAMES: Readonly<Record<string, string>> = {
  'position_embd.weight': 'position embedding',
  'token_types.weight': 'token types',
};

/** The name of the rule by which llama.cpp copies a tensor; null when it is quantized. */
export function keptBecause({ name, shape }: TensorDescription): string | null {
  if (ggmlRank(shape) < 2) return 'rank below 2';
  if (!name.endsWith('weight')) return 'no weight';
  if (Object.hasOwn(KEPT_NAMES, name)) return KEPT_NAMES[name] ?? null;
  return KEPT_PARTS.find(([, parts]) => parts.some((part) => name.includes(part)))?.[0] ?? null;
}

/** Of what llama.cpp copies, what it adds or multiplies with activations, for which it has code for F32 alone. */
const F32_RULES: readonly string[] = ['rank below 2', 'no weight', 'norm', 'short convolution', 'token types'];

/** The name of the rule by which llama.cpp computes with a tensor as F32 alone; null for others, and for parts for vision. */
export function onlyF32Because(architecture: string, tensor: TensorDescription): string | null {
  const rule = architecture === 'clip' ? null : keptBecause(tensor);
  return rule !== null && F32_RULES.includes(rule) ? rule : null;
}

/** The block that a tensor belongs to; -1 when it belongs to none. */
export function blockOf(name: string): number {
  const digits = /^blk\.(\d{1,9})/u.exec(name)?.[1];
  return digits === undefined ? -1 : Number(digits);
}

/**
 * Orders tensors as llama.cpp goes through them, which is also how they lie in the files that it writes: by block, those
 * of none first, then by name.
 */
export function compareTensors(a: { readonly name: string }, b: { readonly name: string }): number {
  const blocks = blockOf(a.name) - blockOf(b.name);
  if (blocks !== 0) return blocks;
  return a.name < b.name ? -1 : Number(a.name > b.name);
}
