/** What the decoders of many families have in common. */

import type { Weight } from '../../weights/weight.js';
import { modelBlock, type Block, type PlaceOptions } from './block.js';
import type { Recipe } from './recipes.js';
import type { Sizes } from './sizes.js';

/** Embeddings of tokens, the last norm, and the output where it is not the embeddings. */
export const outerTensors = ({ embedding, vocabulary }: Sizes, norm: PlaceOptions = {}): readonly Recipe[] => [
  ...tokenEmbeddings(vocabulary, embedding),
  ...modelBlock.matrix('output_norm', 'model.norm', [embedding], norm),
  ...output(vocabulary, embedding),
];

export const tokenEmbeddings = (vocabulary: number | null, embedding: number): readonly Recipe[] => [
  modelBlock.tensor('token_embd.weight', 'model.embed_tokens.weight', [vocabulary, embedding]),
];

export const output = (vocabulary: number | null, embedding: number): readonly Recipe[] => [
  modelBlock.tensor('output.weight', 'lm_head.weight', [vocabulary, embedding], { optional: true }),
];

export interface AttentionOptions {
  /** Biases of queries, keys and values. */
  readonly bias?: 'may' | 'must' | undefined;
  readonly outputBias?: 'may' | 'must' | undefined;
  /** What is done with queries and keys, given their number of heads. */
  readonly change?: ((weight: Weight, heads: number) => Weight) | undefined;
}

/** Projections to queries, keys and values, and the one from what was attended to. */
export function attention(block: Block, sizes: Sizes, options: AttentionOptions = {}): readonly Recipe[] {
  const { embedding, heads, keyValueHeads, head } = sizes;
  const { bias, change, outputBias } = options;
  const changing = (count: number): PlaceOptions =>
    change === undefined ? { bias } : { bias, change: (weight) => change(weight, count) };
  return [
    ...block.matrix('attn_q', 'self_attn.q_proj', [heads * head, embedding], changing(heads)),
    ...block.matrix('attn_k', 'self_attn.k_proj', [keyValueHeads * head, embedding], changing(keyValueHeads)),
    ...block.matrix('attn_v', 'self_attn.v_proj', [keyValueHeads * head, embedding], { bias }),
    ...block.matrix('attn_output', 'self_attn.o_proj', [embedding, heads * head], { bias: outputBias }),
  ];
}

/** A feed-forward network with a gate. */
export const gatedFeedForward = (
  block: Block,
  embedding: number,
  feedForward: number,
  options: PlaceOptions = {},
): readonly Recipe[] => [
  ...block.matrix('ffn_gate', 'mlp.gate_proj', [feedForward, embedding], options),
  ...block.matrix('ffn_up', 'mlp.up_proj', [feedForward, embedding], options),
  ...block.matrix('ffn_down', 'mlp.down_proj', [embedding, feedForward], options),
];

/** The norms before attention and before the feed-forward network. */
export const preNorms = (block: Block, embedding: number, options: PlaceOptions = {}): readonly Recipe[] => [
  ...block.matrix('attn_norm', 'input_layernorm', [embedding], options),
  ...block.matrix('ffn_norm', 'post_attention_layernorm', [embedding], options),
];
