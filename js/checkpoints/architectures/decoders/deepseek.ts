import { QuantizeError } from '../../../errors.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { KeyList } from '../../key-list.js';
import { byteLevel } from '../../tokenizer/vocabularies.js';
import { rows, stacked, transposed } from '../../weights/operations.js';
import type { Weight } from '../../weights/weight.js';
import type { Architecture } from '../architecture.js';
import { allLayers, type Block } from '../base/block.js';
import { gatedFeedForward, outerTensors, preNorms } from '../base/common.js';
import { decoder, firstVocabulary } from '../base/decoder.js';
import { gatedMatrices, separateExperts } from '../base/experts.js';
import { optionalCountIn, optionalFloatIn, Parameters, setBaseParameters } from '../base/parameters.js';
import type { Recipe } from '../base/recipes.js';
import { expertsOf, feedForwardOf, positive, sizesOf, type Sizes } from '../base/sizes.js';
import { only } from '../base/split.js';

/** Sizes of latent attention: queries, keys and values are made of vectors that all heads share. */
interface Latent {
  /** Of the vector that queries are made of; null where they are made of the state. */
  readonly query: number | null;
  /** Of the one that keys and values are made of. */
  readonly keyValue: number;
  /** Of a head: dimensions that are rotated, that are not, and of values. */
  readonly rotated: number;
  readonly still: number;
  readonly value: number;
}

const latentOf = ({ hparams }: Checkpoint): Latent => ({
  query: optionalCountIn(hparams, 'q_lora_rank') ?? null,
  keyValue: hparams.has('kv_lora_rank') ? positive(hparams, 'kv_lora_rank') : 512,
  rotated: positive(hparams, 'qk_rope_head_dim'),
  still: positive(hparams, 'qk_nope_head_dim'),
  value: positive(hparams, 'v_head_dim'),
});

/** So many layers, and tokens, have the small models that llama.cpp knows to make queries of the state. */
const SMALL_LAYERS = [26, 27];
const KANANA = { layers: 48, tokens: 128_256 };

function checkLatent({ name }: Checkpoint, { heads, keyValueHeads, layers, vocabulary }: Sizes, latent: Latent): void {
  const isSmall = SMALL_LAYERS.includes(layers) || (layers === KANANA.layers && vocabulary === KANANA.tokens);
  const isKnown = isSmall ? latent.query === null : latent.query !== null;
  if (isKnown && heads === keyValueHeads) return;
  const detail = `llama.cpp opens no model of this kind with ${layers} layers, a q_lora_rank of ${latent.query ?? 0} and ${keyValueHeads} of ${heads} heads for keys`;
  throw new QuantizeError('unsupported_model', { file: name, detail });
}

/** Of each head's rows, those from `begin` up to `end`, head by head. */
function ofHeads(
  weight: Weight,
  { heads }: Sizes,
  size: number,
  [begin, end]: readonly [number, number],
): readonly Weight[] {
  return Array.from({ length: heads }, (_, head) => rows(weight, head * size + begin, head * size + end));
}

/** Keys and values are taken apart, keys with rows and columns exchanged: so queries can be taken to the vector instead. */
function keysAndValues(block: Block, sizes: Sizes, { keyValue, still, value }: Latent): Recipe {
  const size = still + value;
  const names = [block.made('attn_k_b.weight'), block.made('attn_v_b.weight')] as const;
  return {
    parts: [{ name: block.part('self_attn.kv_b_proj.weight'), shape: [sizes.heads * size, keyValue] }],
    products: [
      {
        name: names[0],
        make: ([weight]) => stacked(ofHeads(only(weight), sizes, size, [0, still]).map(transposed), names[0]),
      },
      { name: names[1], make: ([weight]) => stacked(ofHeads(only(weight), sizes, size, [still, size]), names[1]) },
    ],
  };
}

function attention(block: Block, sizes: Sizes, latent: Latent): readonly Recipe[] {
  const { embedding, heads } = sizes;
  const { keyValue, query, rotated, still, value } = latent;
  const queries = heads * (still + rotated);
  const made =
    query === null
      ? block.matrix('attn_q', 'self_attn.q_proj', [queries, embedding])
      : [
          ...block.matrix('attn_q_a', 'self_attn.q_a_proj', [query, embedding]),
          ...block.matrix('attn_q_a_norm', 'self_attn.q_a_layernorm', [query]),
          ...block.matrix('attn_q_b', 'self_attn.q_b_proj', [queries, query]),
        ];
  return [
    ...made,
    ...block.matrix('attn_kv_a_mqa', 'self_attn.kv_a_proj_with_mqa', [keyValue + rotated, embedding]),
    ...block.matrix('attn_kv_a_norm', 'self_attn.kv_a_layernorm', [keyValue]),
    keysAndValues(block, sizes, latent),
    ...block.matrix('attn_output', 'self_attn.o_proj', [embedding, heads * value]),
  ];
}

/** The first layers have no experts. */
function denseLayers({ hparams }: Checkpoint, { layers }: Sizes): number {
  const usual = hasExperts({ hparams }) ? 0 : layers;
  return optionalCountIn(hparams, 'first_k_dense_replace') ?? usual;
}

const hasExperts = ({ hparams }: Pick<Checkpoint, 'hparams'>): boolean =>
  optionalCountIn(hparams, 'n_routed_experts') !== undefined;

function mixture(block: Block, checkpoint: Checkpoint, { embedding }: Sizes): readonly Recipe[] {
  const { hparams } = checkpoint;
  const experts = expertsOf(checkpoint);
  const height = positive(hparams, 'moe_intermediate_size', 'intermediate_size');
  const shared = height * (optionalCountIn(hparams, 'n_shared_experts') ?? 0);
  return [
    ...block.matrix('ffn_gate_inp', 'mlp.gate', [experts, embedding]),
    block.tensor('exp_probs_b.bias', 'mlp.gate.e_score_correction.bias', [experts], { optional: true }),
    separateExperts(block, 'mlp.experts', experts, gatedMatrices(embedding, height)),
    ...block.matrix('ffn_gate_shexp', 'mlp.shared_experts.gate_proj', [shared, embedding]),
    ...block.matrix('ffn_up_shexp', 'mlp.shared_experts.up_proj', [shared, embedding]),
    ...block.matrix('ffn_down_shexp', 'mlp.shared_experts.down_proj', [embedding, shared]),
  ];
}

function recipes(checkpoint: Checkpoint, sizes: Sizes): readonly Recipe[] {
  const latent = latentOf(checkpoint);
  const dense = denseLayers(checkpoint, sizes);
  checkLatent(checkpoint, sizes, latent);
  return [
    ...outerTensors(sizes),
    ...allLayers(sizes, (block, layer) => [
      ...preNorms(block, sizes.embedding),
      ...attention(block, sizes, latent),
      ...(layer < dense
        ? gatedFeedForward(block, sizes.embedding, feedForwardOf(checkpoint))
        : mixture(block, checkpoint, sizes)),
    ]),
  ];
}

/** The layers behind the last one guess the tokens after the next; llama.cpp does not run them in these models. */
function keep(name: string, checkpoint: Checkpoint): string | null {
  const { hparams } = checkpoint;
  if (name === 'lm_head.weight' && hparams.find('tie_word_embeddings') === true) return null;
  const layer = /^model\.layers\.(\d+)/u.exec(name)?.[1];
  return layer !== undefined && Number(layer) >= sizesOf(checkpoint).layers ? null : name;
}

function setParameters(pairs: KeyList, checkpoint: Checkpoint): void {
  const { hparams, rope } = checkpoint;
  const sizes = sizesOf(checkpoint);
  const { keyValue, query, rotated, still, value } = latentOf(checkpoint);
  const parameters = new Parameters(pairs, 'deepseek2', hparams);
  setBaseParameters(pairs, checkpoint, 'deepseek2');
  parameters.setCount('attention.head_count_kv', 1);
  if (!hparams.has('rms_norm_eps')) parameters.setFloat('attention.layer_norm_rms_epsilon', 1e-6);
  parameters.setCount('leading_dense_block_count', denseLayers(checkpoint, sizes));
  parameters.count('vocab_size', 'vocab_size');
  if (query !== null) parameters.setCount('attention.q_lora_rank', query);
  parameters.setCount('attention.kv_lora_rank', keyValue);
  parameters.setCount('attention.key_length', keyValue + rotated);
  parameters.setCount('attention.value_length', keyValue);
  parameters.setCount('attention.key_length_mla', still + rotated);
  parameters.setCount('attention.value_length_mla', value);
  parameters.count('expert_feed_forward_length', 'moe_intermediate_size', 'intermediate_size');
  parameters.optionalCount('expert_count', 'n_routed_experts');
  parameters.setCount('expert_shared_count', optionalCountIn(hparams, 'n_shared_experts') ?? 0);
  parameters.optionalFloat('expert_weights_scale', 'routed_scaling_factor');
  if (hparams.find('norm_topk_prob') === true) parameters.setFlag('expert_weights_norm', true);
  parameters.setCount('rope.dimension_count', rotated);
  const scale = optionalFloatIn(rope, 'mscale_all_dim');
  if (scale !== undefined) parameters.setFloat('rope.scaling.yarn_log_multiplier', 0.1 * scale);
}

export const deepseek2: Architecture = decoder({
  name: 'deepseek2',
  classes: ['DeepseekV2ForCausalLM', 'DeepseekV3ForCausalLM'],
  epsilon: 'rms',
  keep,
  recipes,
  parameters: setParameters,
  vocabulary: (pairs, checkpoint) => firstVocabulary(pairs, checkpoint, byteLevel),
});
