/** What the decoders of many families have in common. */

import type { Weight } from '../../weights/weight.js';
import { modelBlock, type Block, type PlaceOptions } from './block.js';
import type { Recipe } from './recipes.js';
import type { Sizes } from './sizes.js';

export interface OuterOptions {
  /** What the last norm is besides its name and shape. */
  readonly norm?: PlaceOptions | undefined;
  /** Whether llama.cpp opens no file without a matrix that turns states into words. */
  readonly isOutputNeeded?: boolean | undefined;
}

/** Embeddings of tokens, the last norm, and the output where it is not the embeddings. */
export const outerTensors = (sizes: Sizes, { norm, isOutputNeeded }: OuterOptions = {}): readonly Recipe[] => [
  tokenEmbeddings(sizes),
  ...modelBlock.matrix('output_norm', 'model.norm', [sizes.embedding], norm),
  output(sizes, isOutputNeeded !== true),
];

export const tokenEmbeddings = ({ vocabulary, embedding }: Sizes): Recipe =>
  modelBlock.tensor('token_embd.weight', 'model.embed_tokens.weight', [vocabulary, embedding]);

export const output = ({ vocabulary, embedding }: Sizes, optional: boolean): Recipe =>
  modelBlock.tensor('output.weight', 'lm_head.weight', [vocabulary, embedding], { optional });

export interface AttentionOptions {
  /** Biases of queries, keys and values. */
  readonly bias?: 'may' | 'must' | undefined;
  readonly outputBias?: 'may' | 'must' | undefined;
  /** Whether llama.cpp asks for as many queries as the embedding has dimensions, whatever the size of a head. */
  readonly isSquare?: boolean | undefined;
  /** What is done with queries and keys, given their number of heads. */
  readonly change?: ((weight: Weight, heads: number) => Weight) | undefined;
}

/** Projections to queries, keys and values, and the one from what was attended to. */
export function attention(block: Block, sizes: Sizes, options: AttentionOptions = {}): readonly Recipe[] {
  const { embedding, heads, keyValueHeads, head } = sizes;
  const { bias, change, isSquare, outputBias } = options;
  const queries = isSquare === true ? embedding : heads * head;
  const changing = (count: number): PlaceOptions =>
    change === undefined ? { bias } : { bias, change: (weight) => change(weight, count) };
  return [
    ...block.matrix('attn_q', 'self_attn.q_proj', [queries, embedding], changing(heads)),
    ...block.matrix('attn_k', 'self_attn.k_proj', [keyValueHeads * head, embedding], changing(keyValueHeads)),
    ...block.matrix('attn_v', 'self_attn.v_proj', [keyValueHeads * head, embedding], { bias }),
    ...block.matrix('attn_output', 'self_attn.o_proj', [embedding, queries], { bias: outputBias }),
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
