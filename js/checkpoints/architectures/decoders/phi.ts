import { flag } from '../../../containers/gguf/key-values.js';
import { QuantizeError } from '../../../errors.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { KeyList } from '../../key-list.js';
import { byteLevel, sentencePiece } from '../../tokenizer/vocabularies.js';
import type { Architecture } from '../architecture.js';
import { allLayers, modelBlock, type Block } from '../base/block.js';
import { outerTensors, preNorms, tokenEmbeddings } from '../base/common.js';
import { decoder, firstVocabulary, type VocabularyReader } from '../base/decoder.js';
import { countIn, floatIn, optionalCountIn, optionalFloatIn, Parameters, setFileType } from '../base/parameters.js';
import type { Recipe } from '../base/recipes.js';
import { fullRope, hasRopeFactors, ropeFactors } from '../base/rope.js';
import { feedForwardOf, sizesOf, type Sizes } from '../base/sizes.js';

const EMBEDDING = ['hidden_size', 'n_embd'] as const;
const HEADS = ['num_attention_heads', 'n_head'] as const;
const CONTEXT = ['n_positions', 'max_position_embeddings'] as const;

/** The dimensions of a head that are rotated. */
function rotatedOf({ hparams, rope }: Checkpoint): number {
  const share = optionalFloatIn(rope, 'partial_rotary_factor') ?? 1;
  return Math.floor(Math.trunc(share * countIn(hparams, ...EMBEDDING)) / countIn(hparams, ...HEADS));
}

/** How much longer texts may be than those that the model was first trained with. */
const scaleOf = ({ hparams, rope }: Checkpoint): number =>
  countIn(hparams, ...CONTEXT) / countIn(rope, 'original_max_position_embeddings');

/** What attention is multiplied with, for the texts that are longer. */
function attentionFactor(checkpoint: Checkpoint): number {
  const scale = scaleOf(checkpoint);
  const type = checkpoint.rope.text('rope_type')?.toLowerCase() ?? '';
  const original = countIn(checkpoint.rope, 'original_max_position_embeddings');
  if (type === 'su' || type === 'longrope') return scale > 1 ? Math.sqrt(1 + Math.log(scale) / Math.log(original)) : 1;
  if (type === 'yarn') return scale > 1 ? 0.1 * Math.log(scale) + 1 : 1;
  const detail = `llama.cpp's phi3 has no rotation of the type ${JSON.stringify(type)} with factors`;
  throw new QuantizeError('unsupported_model', { file: checkpoint.name, detail });
}

/** Queries, keys and values are one matrix, and so are gate and up. */
function phi3Layer(block: Block, { embedding, keyValueHeads, head }: Sizes, feedForward: number): readonly Recipe[] {
  const projected = embedding + 2 * keyValueHeads * head;
  return [
    ...preNorms(block, embedding),
    ...block.matrix('attn_qkv', 'self_attn.qkv_proj', [projected, embedding], { bias: 'may' }),
    ...block.matrix('attn_output', 'self_attn.o_proj', [embedding, embedding]),
    ...block.matrix('ffn_up', 'mlp.gate_up_proj', [2 * feedForward, embedding]),
    ...block.matrix('ffn_down', 'mlp.down_proj', [embedding, feedForward]),
  ];
}

function setPhi3Parameters(pairs: KeyList, checkpoint: Checkpoint): void {
  const { hparams, rope } = checkpoint;
  const parameters = new Parameters(pairs, 'phi3', hparams);
  parameters.count('context_length', ...CONTEXT);
  const original = countIn(rope, 'original_max_position_embeddings');
  parameters.setCount('rope.scaling.original_context_length', original);
  parameters.count('embedding_length', ...EMBEDDING);
  parameters.count('feed_forward_length', 'intermediate_size');
  parameters.setCount('block_count', sizesOf(checkpoint).layers);
  parameters.count('attention.head_count', ...HEADS);
  parameters.count('attention.head_count_kv', 'num_key_value_heads', 'n_head_kv');
  parameters.float('attention.layer_norm_rms_epsilon', 'rms_norm_eps');
  parameters.setCount('rope.dimension_count', rotatedOf(checkpoint));
  new Parameters(pairs, 'phi3', fullRope(checkpoint)).float('rope.freq_base', 'rope_theta');
  setFileType(pairs, checkpoint);
  parameters.setCount('attention.sliding_window', optionalCountIn(hparams, 'sliding_window') ?? 0);
}

export const phi3: Architecture = decoder({
  name: 'phi3',
  epsilon: 'rms',
  classes: ['Phi3ForCausalLM'],
  sizes: (checkpoint) => sizesOf(checkpoint, { ignoreHead: true }),
  recipes: (checkpoint, sizes) => [
    ...outerTensors(sizes),
    ...allLayers(sizes, (block) => phi3Layer(block, sizes, feedForwardOf(checkpoint))),
  ],
  generated: (checkpoint) => ropeFactors(checkpoint, rotatedOf(checkpoint)),
  early: (pairs, checkpoint) => {
    if (!hasRopeFactors(checkpoint)) return;
    new Parameters(pairs, 'phi3', checkpoint.rope).setFloat('rope.scaling.attn_factor', attentionFactor(checkpoint));
  },
  parameters: setPhi3Parameters,
  vocabulary: async (pairs, checkpoint) => {
    const config = await checkpoint.files.object('tokenizer_config.json');
    const isByteLevel = config?.get('tokenizer_class') === 'GPT2Tokenizer';
    const pieces: VocabularyReader = (list, from) => sentencePiece(list, from, { addedFromTokenizer: true });
    await firstVocabulary(pairs, checkpoint, isByteLevel ? byteLevel : pieces);
  },
});

/** Attention and feed-forward network lie side by side behind one norm. */
function phi2Layer(block: Block, { embedding, keyValueHeads, head }: Sizes): readonly Recipe[] {
  const bias = { bias: 'must' } as const;
  return [
    ...block.matrix('attn_norm', 'input_layernorm', [embedding], bias),
    ...block.matrix('attn_q', 'self_attn.q_proj', [embedding, embedding], { bias: 'may' }),
    ...block.matrix('attn_k', 'self_attn.k_proj', [keyValueHeads * head, embedding], { bias: 'may' }),
    ...block.matrix('attn_v', 'self_attn.v_proj', [keyValueHeads * head, embedding], { bias: 'may' }),
    ...block.matrix('attn_output', 'self_attn.dense', [embedding, embedding], bias),
    ...block.matrix('ffn_up', 'mlp.fc1', [4 * embedding, embedding], bias),
    ...block.matrix('ffn_down', 'mlp.fc2', [embedding, 4 * embedding], bias),
  ];
}

function setPhi2Parameters(pairs: KeyList, checkpoint: Checkpoint): void {
  const { hparams, rope } = checkpoint;
  const { embedding, layers } = sizesOf(checkpoint, { ignoreHead: true });
  const parameters = new Parameters(pairs, 'phi2', hparams);
  parameters.count('context_length', ...CONTEXT);
  parameters.count('embedding_length', ...EMBEDDING);
  parameters.setCount('feed_forward_length', 4 * embedding);
  parameters.setCount('block_count', layers);
  parameters.count('attention.head_count', ...HEADS);
  parameters.count('attention.head_count_kv', ...HEADS);
  parameters.float('attention.layer_norm_epsilon', 'layer_norm_epsilon', 'layer_norm_eps');
  floatIn(rope, 'partial_rotary_factor');
  parameters.setCount('rope.dimension_count', rotatedOf(checkpoint));
  setFileType(pairs, checkpoint);
  pairs.set(flag('tokenizer.ggml.add_bos_token', false));
}

export const phi2: Architecture = decoder({
  name: 'phi2',
  epsilon: 'layer',
  classes: ['PhiForCausalLM'],
  sizes: (checkpoint) => {
    const sizes = sizesOf(checkpoint, { ignoreHead: true });
    return { ...sizes, keyValueHeads: sizes.heads };
  },
  recipes: (_checkpoint, sizes) => [
    tokenEmbeddings(sizes),
    ...modelBlock.matrix('output_norm', 'model.final_layernorm', [sizes.embedding], { bias: 'must' }),
    ...modelBlock.matrix('output', 'lm_head', [sizes.vocabulary ?? 0, sizes.embedding], { bias: 'must' }),
    ...allLayers(sizes, (block) => phi2Layer(block, sizes)),
  ],
  parameters: setPhi2Parameters,
  vocabulary: (pairs, checkpoint) => firstVocabulary(pairs, checkpoint, byteLevel),
});
