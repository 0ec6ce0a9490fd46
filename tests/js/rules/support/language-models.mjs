/** GGUF language models for the choice of types, each with something that llama.cpp decides by. */
import { importanceOfOnes, tinyLlama } from '../../../peers/tiny-llama.mjs';

const kMostBlocks = 20;

/** The last dimensions decide, not the others, and a file need not have all blocks: so it takes kilobytes. */
function inFewBytes(model) {
  const isWritten = ({ name }) => !(Number(/^blk\.(\d+)/u.exec(name)?.[1]) >= kMostBlocks);
  const shrunk = ({ name, type, shape }) => ({
    name,
    type,
    shape: shape.map((extent, i) => (i === shape.length - 1 ? extent : Math.min(extent, 2))),
  });
  return { ...model, tensors: model.tensors.filter(isWritten).map(shrunk) };
}

const matrix = (name, columns = 256) => ({ name, type: 'F16', shape: [2, columns] });

const kTimeMixing = [
  ...['first', 'w0', 'w1', 'w2', 'v0', 'v1', 'v2', 'a0', 'a1', 'a2', 'g1', 'g2', 'decay_w1', 'decay_w2'],
  ...['lerp_fused', 'key', 'decay'],
];

const kInBlocks = [
  ...['laurel_l', 'ssm_conv1d', 'ssm_conv1d_q', 'ssm_in', 'shortconv.conv', 'shortconv.in_proj', 'attn_rel_b'],
  ...['indexer.k_proj', 'indexer.q_proj', 'indexer.proj', 'attn_kv_b', 'attn_v_b', 'attn_q_a', 'attn_k_b'],
  ...['cross_attn_v', 'ffn_gate_inp', 'ffn_gate_inp_shexp', 'ffn_down_shexp', 'ffn_up_shexp', 'ffn_gate_tid2eid'],
  ...['attn_q_norm', 'nextn.eh_proj', 'attn_sinks', ...kTimeMixing.map((part) => `time_mix_${part}`)],
];

/** Names that llama.cpp copies, or treats in a way of their own, beside some that look like them. */
const kNames = [
  ...['position_embd', 'token_types', 'per_layer_token_embd', 'per_layer_model_proj', 'altup_proj', 'cls'],
  ...['v.position_embd', 'v.patch_embd', 'mm.patch_merger', 'sam.pos_embd', 'sam.neck.0', 'sam.net_2', 'v.rel_pos_h'],
  ...['a.rvq.codebook', 'mm.a.code_embd', 'output_norm_2', 'rope_freqs', 'weightless', 'v.blk.0.attn_v'],
  ...kInBlocks.map((name) => `blk.3.${name}`),
].flatMap((name) => [matrix(`${name}.weight`), matrix(name)]);

const kNameModel = {
  layers: 5,
  extra: [
    ...kNames,
    { name: 'blk.2.one_row.weight', type: 'F16', shape: [1, 256] },
    { name: 'blk.2.three.weight', type: 'F16', shape: [3, 1, 256] },
    { name: 'blk.2.vector.weight', type: 'F32', shape: [256] },
    { name: 'blk.2.counts.bias', type: 'I32', shape: [4] },
    matrix('blk.10.attn_v.weight'),
    matrix('blk.9.attn_v.weight'),
  ],
};

/** What llama.cpp asks of an architecture whose attention has stacked matrices, too. */
const kBailing = [
  ...['attention.key_length_mla', 'attention.value_length_mla', 'attention.kv_lora_rank', 'ssm.conv_kernel'],
  ...['kda.head_dim', 'expert_feed_forward_length', 'expert_shared_count', 'leading_dense_block_count'],
  'expert_gating_func',
].map((name) => [`bailingmoe3.${name}`, 'uint32', 1]);

function bailing() {
  const extra = ['attn_k_b', 'ffn_up_shexp'].map((name) => ({
    name: `blk.1.${name}.weight`,
    type: 'F16',
    shape: [4, 2, 256],
  }));
  const { keyValues, ...model } = tinyLlama({ architecture: 'bailingmoe3', experts: 4, hidden: 256, layers: 4, extra });
  return { ...model, keyValues: [...keyValues, ...kBailing, ['bailingmoe3.kda.gate_lower_bound', 'float32', -1]] };
}

/** By name, what `ggufFile` makes a file of. */
export const LANGUAGE_MODELS = Object.fromEntries(
  Object.entries({
    'four query heads a key head': {},
    'as many key heads as query heads, F32, 33 blocks': { kvHeads: 8, type: 'F32', layers: 33 },
    'eight query heads a key head, BF16, tied': { kvHeads: 1, type: 'BF16', tied: true, layers: 12 },
    'three query heads a key head, tied, 3 blocks': { heads: 6, width: 768, kvHeads: 2, tied: true, layers: 3 },
    'rows of blocks of 32': { width: 288, hidden: 352, heads: 9, kvHeads: 3, layers: 9 },
    'rows of blocks of 32, tied': { width: 288, hidden: 512, heads: 9, kvHeads: 3, tied: true },
    'rows that no blocks hold': { width: 272, hidden: 272, layers: 9 },
    'hidden rows that no blocks hold': { hidden: 272, tied: true },
    'eight experts': { experts: 8, hidden: 256, layers: 10 },
    'eight experts, one key head': { experts: 8, hidden: 256, kvHeads: 1 },
    'four experts': { experts: 4, hidden: 256, layers: 17 },
    'qwen2 with biases': { architecture: 'qwen2', biases: true, layers: 24 },
    'fused attention': { architecture: 'phi3', fused: true, layers: 16 },
    falcon: { architecture: 'falcon', fused: true, layers: 32, kvHeads: 1 },
    'falcon, not fused, 20 blocks': { architecture: 'falcon', layers: 20 },
    '70B': { layers: 80 },
    '65B': { layers: 80, kvHeads: 8 },
    'olmo of 80 blocks': { architecture: 'olmo', layers: 80, kvHeads: 8 },
    'olmo of 79 blocks': { architecture: 'olmo', layers: 79, kvHeads: 8 },
    'llama-embed of 80 blocks': { architecture: 'llama-embed', layers: 80 },
    'qwen2 of 80 blocks': { architecture: 'qwen2', layers: 80 },
    'jais2 of 68 blocks': { architecture: 'jais2', layers: 68 },
    'deci of 80 blocks': { architecture: 'deci', layers: 80 },
    'falcon of eight experts': { architecture: 'falcon', experts: 8, hidden: 256, layers: 18 },
    'sixteen experts, as many key heads': { experts: 16, hidden: 256, kvHeads: 8, layers: 20 },
    'names of all kinds': kNameModel,
  })
    .map(([name, options]) => [name, inFewBytes(tinyLlama(options))])
    .concat([['stacked matrices besides experts', inFewBytes(bailing())]]),
);

/** The same, to plan types for: the tensors in another order than llama.cpp's, and an answer for each key. */
export function planInput({ keyValues, tensors }) {
  const values = new Map(keyValues.map(([key, , value]) => [key, value]));
  const described = tensors.map(({ name, type, shape }) => ({
    name,
    dtype: type,
    shape,
    elements: shape.reduce((count, extent) => count * extent, 1),
  }));
  return { tensors: described.toReversed(), hasFinalNames: true, keyValue: (key) => values.get(key) };
}

/** In which ways a file of a type is asked for. */
export const MODES = {
  mixed: {},
  'mixed, with importance': { hasImportance: true },
  pure: { pure: true },
};

/**
 * [name, type] of the tensors that llama.cpp's quantizer would write of a model, whose file is `file`; null where rows are no
 * blocks of a type, and it stops because it knows no other one to take.
 */
export function theirTypes(llama, file, { tensors }, { type, pure = false, hasImportance = false }) {
  const importance = hasImportance ? importanceOfOnes(tensors) : undefined;
  try {
    return llama.types(file, { type, pure, importance });
  } catch (error) {
    if (/no tensor type fallback is defined/u.test(error.message)) return null;
    throw error;
  }
}
