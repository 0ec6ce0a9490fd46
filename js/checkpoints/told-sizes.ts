/** Which pairs of a language model llama.cpp takes the sizes of tensors from, and what the tensors say of them. */

import type { FactValue } from '../containers/container.js';
import type { Tensor } from '../layouts/tensor.js';
import { blockOf } from '../rules/language/tensors.js';

/** A model as far as sizes go. */
export interface Sized {
  readonly architecture: string;
  readonly tensors: readonly Pick<Tensor, 'name' | 'shape'>[];
  /** What the pair says whose key stands behind that of the architecture. */
  readonly said: (key: string) => FactValue | undefined;
}

type Teller = (model: Sized) => number | undefined;

/** What an extent is of all tensors whose names end so; undefined where there are none, or they differ. */
function extent({ tensors }: Sized, ending: string, fromLast: number): number | undefined {
  const found = new Set(tensors.flatMap(({ name, shape }) => (name.endsWith(ending) ? [shape.at(-fromLast)] : [])));
  return found.size === 1 ? [...found][0] : undefined;
}

const columns =
  (ending: string): Teller =>
  (model) =>
    extent(model, ending, 1);
const rows =
  (ending: string): Teller =>
  (model) =>
    extent(model, ending, 2);

const number = (value: FactValue | undefined): number | undefined => (typeof value === 'number' ? value : undefined);

const divided = (all: number | undefined, by: number | undefined): number | undefined =>
  all === undefined || by === undefined || by === 0 || all % by !== 0 ? undefined : all / by;

/** Of one head's keys; where no pair says it, heads share the embedding. */
export const keyLength: Teller = (model) =>
  number(model.said('attention.key_length')) ??
  divided(number(model.said('embedding_length')), number(model.said('attention.head_count')));

const keyHeads: Teller = ({ said }) => number(said('attention.head_count_kv') ?? said('attention.head_count'));

const blocks: Teller = ({ tensors }) => {
  const most = tensors.reduce((before, { name }) => Math.max(before, blockOf(name) + 1), 0);
  return most === 0 ? undefined : most;
};

/** In these all of a head turns; llama.cpp opens no other file of theirs. */
const TURNS_WHOLE_HEADS: readonly string[] = ['llama', 'deci', 'falcon', 'llama-embed'];

/** By the key behind that of the architecture. */
const TELLERS: Readonly<Record<string, Teller>> = {
  block_count: blocks,
  vocab_size: rows('token_embd.weight'),
  context_length: rows('position_embd.weight'),
  embedding_length: columns('token_embd.weight'),
  feed_forward_length: columns('.ffn_down.weight'),
  expert_feed_forward_length: columns('.ffn_down_exps.weight'),
  expert_count: (model) => extent(model, '.ffn_down_exps.weight', 3),
  'attention.head_count_kv': (model) => divided(rows('.attn_k.weight')(model), keyLength(model)),
  'attention.key_length': (model) => divided(rows('.attn_k.weight')(model), keyHeads(model)),
  'attention.value_length': (model) => divided(rows('.attn_v.weight')(model), keyHeads(model)),
  'rope.dimension_count': (model) => (TURNS_WHOLE_HEADS.includes(model.architecture) ? keyLength(model) : undefined),
};

/** What the tensors say that the pair must be; undefined where they do not. */
export const toldByTensors = (key: string, model: Sized): number | undefined =>
  Object.hasOwn(TELLERS, key) ? TELLERS[key]?.(model) : undefined;

const ATTENTION_SIZES = [
  ...['head_count', 'head_count_kv', 'key_length', 'value_length', 'key_length_mla', 'value_length_mla'],
  ...['key_length_swa', 'value_length_swa', 'key_length_mla_swa', 'value_length_mla_swa', 'kv_lora_rank_swa'],
  ...['q_lora_rank', 'kv_lora_rank', 'decay_lora_rank', 'iclr_lora_rank', 'value_residual_mix_lora_rank'],
  ...['gate_lora_rank', 'output_lora_rank', 'output_group_count', 'relative_buckets_count', 'shared_kv_layers'],
  ...['recurrent_layers', 'indexer.head_count', 'indexer.key_length'],
];

/** Behind the architecture's, where the sizes of tensors follow from them, or which tensors there are. */
const SIZES: ReadonlySet<string> = new Set([
  ...['block_count', 'decoder_block_count', 'leading_dense_block_count', 'nextn_predict_layers', 'vocab_size'],
  ...['embedding_length', 'embedding_length_out', 'embedding_length_per_layer_input', 'features_length'],
  ...['feed_forward_length', 'expert_feed_forward_length', 'expert_shared_feed_forward_length'],
  ...['expert_chunk_feed_forward_length', 'expert_count', 'expert_shared_count', 'expert_group_count'],
  ...['expert_group_used_count', 'expert_latent_length', 'moe_latent_size', 'moe_every_n_layers'],
  ...['interleave_moe_layer_step', 'full_attention_interval', 'time_mix_extra_dim', 'time_decay_extra_dim'],
  ...['token_shift_count', 'n_deepstack_layers', 'wkv.head_size', 'kda.head_dim', 'shortconv.l_cache'],
  ...['ssm.conv_kernel', 'ssm.inner_size', 'ssm.state_size', 'ssm.time_step_rank', 'ssm.group_count'],
  ...['posnet.embedding_length', 'posnet.block_count', 'convnext.embedding_length', 'convnext.block_count'],
  ...['dense_2_feat_in', 'dense_2_feat_out', 'dense_3_feat_in', 'dense_3_feat_out', 'classifier.output_labels'],
  // Of parts for images.
  ...['image_size', 'patch_size', 'projection_dim'],
  ...ATTENTION_SIZES.map((key) => `attention.${key}`),
]);

/** Parts for images and sounds have sizes of their own. */
const PART = /^(?:vision|audio)\./u;

export const isSize = (key: string): boolean => SIZES.has(key.replace(PART, ''));

/** Of those, what says of layers which they are: another number where layers are left out. */
const OF_LAYERS: readonly string[] = [
  ...['decoder_block_count', 'leading_dense_block_count', 'nextn_predict_layers', 'attention.shared_kv_layers'],
];

export const isAboutLayers = (key: string): boolean => OF_LAYERS.includes(key);
