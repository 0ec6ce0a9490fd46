import { text } from '../../../containers/gguf/key-values.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { KeyList } from '../../key-list.js';
import { byteLevel } from '../../tokenizer/vocabularies.js';
import { stacked } from '../../weights/operations.js';
import type { Weight } from '../../weights/weight.js';
import type { Architecture } from '../architecture.js';
import { allLayers, Block, modelBlock } from '../base/block.js';
import { attention, gatedFeedForward, output, outerTensors, preNorms } from '../base/common.js';
import { decoder, firstVocabulary } from '../base/decoder.js';
import { floatIn, optionalCountIn, Parameters, setBaseParameters, setFileType } from '../base/parameters.js';
import type { Recipe } from '../base/recipes.js';
import { feedForwardOf, sizesOf, type Sizes } from '../base/sizes.js';
import { gathered, grouped } from '../base/split.js';

const vocabulary = (pairs: KeyList, checkpoint: Checkpoint): Promise<void> =>
  firstVocabulary(pairs, checkpoint, byteLevel);

const biased = { bias: 'must' } as const;

/** Projections to queries, keys and values lie head by head, and one after the other in a GGUF. */
function neoxLayer(index: number, { embedding, heads, head }: Sizes, rows: number): readonly Recipe[] {
  const block = new Block(`blk.${index}.`, `gpt_neox.layers.${index}.`);
  const change = { ...biased, change: splitHeads(heads, head) };
  return [
    ...block.matrix('attn_norm', 'input_layernorm', [embedding], biased),
    ...block.matrix('attn_qkv', 'attention.query_key_value', [3 * embedding, embedding], change),
    ...block.matrix('attn_output', 'attention.dense', [embedding, embedding], biased),
    ...block.matrix('ffn_norm', 'post_attention_layernorm', [embedding], biased),
    ...block.matrix('ffn_up', 'mlp.dense_h_to_4h', [rows, embedding], biased),
    ...block.matrix('ffn_down', 'mlp.dense_4h_to_h', [embedding, rows], biased),
  ];
}

const splitHeads =
  (heads: number, head: number) =>
  (weight: Weight): Weight =>
    gathered(weight, grouped(heads, 1, head).flat());

export const gptNeox: Architecture = decoder({
  name: 'gptneox',
  epsilon: 'layer',
  classes: ['GPTNeoXForCausalLM'],
  recipes: (checkpoint, sizes) => [
    modelBlock.tensor('token_embd.weight', 'gpt_neox.embed_in.weight', [sizes.vocabulary, sizes.embedding]),
    ...modelBlock.matrix('output_norm', 'gpt_neox.final_layer_norm', [sizes.embedding], biased),
    modelBlock.tensor('output.weight', 'embed_out.weight', [sizes.vocabulary, sizes.embedding]),
    ...Array.from({ length: sizes.layers }, (_, index) => neoxLayer(index, sizes, feedForwardOf(checkpoint))).flat(),
  ],
  sizes: (checkpoint) => {
    const sizes = sizesOf(checkpoint, { ignoreHead: true });
    return { ...sizes, keyValueHeads: sizes.heads };
  },
  parameters: (pairs, checkpoint) => {
    const { hparams } = checkpoint;
    const { embedding, heads, layers } = sizesOf(checkpoint, { ignoreHead: true });
    const parameters = new Parameters(pairs, 'gptneox', hparams);
    parameters.count('context_length', 'max_position_embeddings');
    parameters.count('embedding_length', 'hidden_size');
    parameters.setCount('block_count', layers);
    parameters.count('feed_forward_length', 'intermediate_size');
    parameters.setCount('rope.dimension_count', Math.trunc(floatIn(hparams, 'rotary_pct') * (embedding / heads)));
    parameters.count('attention.head_count', 'num_attention_heads');
    parameters.setFlag('use_parallel_residual', isParallel(checkpoint));
    parameters.float('attention.layer_norm_epsilon', 'layer_norm_eps');
  },
  vocabulary,
});

/** Whether attention and feed-forward network lie side by side. */
const isParallel = ({ hparams }: Checkpoint): boolean => hparams.find('use_parallel_residual') !== false;

/** The heads of keys and values: one for all queries in the oldest models. */
function falconSizes(checkpoint: Checkpoint): Sizes {
  const { hparams } = checkpoint;
  const sizes = sizesOf(checkpoint, { ignoreHead: true });
  const isOne = hparams.find('multi_query') === true && hparams.find('new_decoder_architecture') !== true;
  const given = optionalCountIn(hparams, 'num_kv_heads') ?? optionalCountIn(hparams, 'n_head_kv') ?? 1;
  const keyValueHeads = isOne ? 1 : given;
  if (keyValueHeads === 0 || sizes.heads % keyValueHeads !== 0) {
    throw hparams.wrong(['num_kv_heads', 'n_head_kv'], `a divisor of the ${sizes.heads} attention heads`);
  }
  return { ...sizes, keyValueHeads };
}

function falconLayer(index: number, sizes: Sizes): readonly Recipe[] {
  const { embedding, head, heads, keyValueHeads } = sizes;
  const block = new Block(`blk.${index}.`, `transformer.h.${index}.`);
  const projected = embedding + 2 * keyValueHeads * head;
  const change = (weight: Weight): Weight =>
    gathered(weight, grouped(keyValueHeads, heads / keyValueHeads, head).flat());
  const optional = { ...biased, optional: true };
  return [
    ...block.matrix('attn_norm', 'input_layernorm', [embedding], biased),
    ...block.matrix('attn_norm', 'ln_mlp', [embedding], biased),
    ...block.matrix('attn_norm_2', 'ln_attn', [embedding], optional),
    ...block.matrix('attn_qkv', 'self_attention.query_key_value', [projected, embedding], { change }),
    ...block.matrix('attn_output', 'self_attention.dense', [embedding, embedding]),
    ...block.matrix('ffn_up', 'mlp.dense_h_to_4h', [4 * embedding, embedding]),
    ...block.matrix('ffn_down', 'mlp.dense_4h_to_h', [embedding, 4 * embedding]),
  ];
}

/** Not in config.json. */
const FALCON_CONTEXT = 2048;

export const falcon: Architecture = decoder({
  name: 'falcon',
  epsilon: 'layer',
  classes: ['FalconForCausalLM', 'RWForCausalLM'],
  sizes: falconSizes,
  recipes: (_checkpoint, sizes) => [
    modelBlock.tensor('token_embd.weight', 'transformer.word_embeddings.weight', [sizes.vocabulary, sizes.embedding]),
    ...modelBlock.matrix('output_norm', 'transformer.ln_f', [sizes.embedding], biased),
    output(sizes, true),
    ...Array.from({ length: sizes.layers }, (_, index) => falconLayer(index, sizes)).flat(),
  ],
  parameters: (pairs, checkpoint) => {
    const { embedding, heads, keyValueHeads, layers } = falconSizes(checkpoint);
    const parameters = new Parameters(pairs, 'falcon', checkpoint.hparams);
    parameters.setCount('context_length', FALCON_CONTEXT);
    pairs.set(text(parameters.key('tensor_data_layout'), 'jploski'));
    parameters.count('embedding_length', 'hidden_size');
    parameters.setCount('feed_forward_length', 4 * embedding);
    parameters.setCount('block_count', layers);
    parameters.setCount('attention.head_count', heads);
    parameters.setCount('attention.head_count_kv', keyValueHeads);
    parameters.float('attention.layer_norm_epsilon', 'layer_norm_epsilon');
    setFileType(pairs, checkpoint);
  },
  vocabulary,
});

/** Norms of queries or keys, each head with its own. */
function stackedNorms(block: Block, made: string, part: string, heads: number, head: number): Recipe {
  const parts = Array.from({ length: heads }, (_, index) => ({
    name: block.part(`${part}.norms.${index}.weight`),
    shape: [head],
  }));
  const name = block.made(`${made}.weight`);
  return { parts, products: [{ name, optional: true, make: (weights) => stacked(weights, name) }] };
}

const headNorms = (block: Block, { weights }: Checkpoint, { head, heads, keyValueHeads }: Sizes): readonly Recipe[] =>
  weights.some(({ name }) => name.includes('_layernorm.norms.'))
    ? [
        stackedNorms(block, 'attn_q_norm', 'self_attn.q_layernorm', heads, head),
        stackedNorms(block, 'attn_k_norm', 'self_attn.k_layernorm', keyValueHeads, head),
      ]
    : [];

export const stablelm: Architecture = decoder({
  name: 'stablelm',
  epsilon: 'layer',
  classes: ['StableLmForCausalLM', 'StableLMEpochForCausalLM'],
  sizes: (checkpoint) => sizesOf(checkpoint, { ignoreHead: true }),
  recipes: (checkpoint, sizes) => [
    ...outerTensors(sizes, { norm: biased, isOutputNeeded: true }),
    ...allLayers(sizes, (block) => [
      ...block.matrix('attn_norm', 'input_layernorm', [sizes.embedding], biased),
      ...attention(block, sizes, { bias: 'may', isSquare: true }),
      ...headNorms(block, checkpoint, sizes),
      ...block.matrix('ffn_norm', 'post_attention_layernorm', [sizes.embedding], { ...biased, optional: true }),
      ...gatedFeedForward(block, sizes.embedding, feedForwardOf(checkpoint)),
    ]),
  ],
  parameters: (pairs, checkpoint) => {
    const { hparams, rope } = checkpoint;
    const { embedding, heads, layers } = sizesOf(checkpoint, { ignoreHead: true });
    const parameters = new Parameters(pairs, 'stablelm', hparams);
    parameters.count('context_length', 'max_position_embeddings');
    parameters.count('embedding_length', 'hidden_size');
    parameters.setCount('block_count', layers);
    parameters.count('feed_forward_length', 'intermediate_size');
    const rotated = floatIn(rope, 'partial_rotary_factor') * Math.floor(embedding / heads);
    parameters.setCount('rope.dimension_count', Math.trunc(rotated));
    parameters.count('attention.head_count', 'num_attention_heads');
    parameters.count('attention.head_count_kv', 'num_key_value_heads');
    parameters.setFlag('use_parallel_residual', isParallel(checkpoint));
    parameters.float('attention.layer_norm_epsilon', 'layer_norm_eps', 'norm_eps');
    setFileType(pairs, checkpoint);
  },
  vocabulary,
});

export const starcoder2: Architecture = decoder({
  name: 'starcoder2',
  epsilon: 'layer',
  classes: ['Starcoder2ForCausalLM'],
  recipes: (checkpoint, sizes) => [
    ...outerTensors(sizes, { norm: biased }),
    ...allLayers(sizes, (block) => [
      ...preNorms(block, sizes.embedding, biased),
      ...attention(block, sizes, { bias: 'may', outputBias: 'must', isSquare: true }),
      ...block.matrix('ffn_up', 'mlp.c_fc', [feedForwardOf(checkpoint), sizes.embedding], biased),
      ...block.matrix('ffn_down', 'mlp.c_proj', [sizes.embedding, feedForwardOf(checkpoint)], biased),
    ]),
  ],
  parameters: (pairs, checkpoint) => {
    setBaseParameters(pairs, checkpoint, 'starcoder2');
  },
  vocabulary,
});
