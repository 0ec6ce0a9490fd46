import { flag } from '../../../containers/gguf/key-values.js';
import { QuantizeError } from '../../../errors.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { KeyList } from '../../key-list.js';
import { itemsOf } from '../../tokenizer/plain.js';
import { byteLevel, sentencePiece, setSpecialTokens } from '../../tokenizer/vocabularies.js';
import { plusOne, rows } from '../../weights/operations.js';
import type { Architecture } from '../architecture.js';
import { allLayers, modelBlock, type Block } from '../base/block.js';
import { attention, gatedFeedForward, output, tokenEmbeddings } from '../base/common.js';
import { decoder, firstVocabulary } from '../base/decoder.js';
import {
  CONTEXT,
  countIn,
  floatIn,
  HEADS,
  KEY_VALUE_HEADS,
  optionalCountIn,
  optionalFloatIn,
  Parameters,
  setBaseParameters,
  setFileType,
} from '../base/parameters.js';
import type { Recipe } from '../base/recipes.js';
import { fullRope } from '../base/rope.js';
import { feedForwardOf, type Sizes } from '../base/sizes.js';

/** Norms are stored as what is to be added to one. */
const norm = (block: Block, made: string, part: string, size: number): readonly Recipe[] =>
  block.matrix(made, part, [size], { change: plusOne });

/** The embeddings are the output as well: a matrix for it is left out. */
const withoutOutput = (name: string): string | null => (name === 'lm_head.weight' ? null : name);

const outerTensors = (sizes: Sizes): readonly Recipe[] => [
  tokenEmbeddings(sizes),
  ...norm(modelBlock, 'output_norm', 'model.norm', sizes.embedding),
];

/** Norms before and behind attention and feed-forward network. */
const norms = (block: Block, { embedding }: Sizes): readonly Recipe[] => [
  ...norm(block, 'attn_norm', 'input_layernorm', embedding),
  ...norm(block, 'post_attention_norm', 'post_attention_layernorm', embedding),
  ...norm(block, 'ffn_norm', 'pre_feedforward_layernorm', embedding),
  ...norm(block, 'post_ffw_norm', 'post_feedforward_layernorm', embedding),
];

/** The pairs of the first two generations, `general.file_type` last. */
function setParameters(pairs: KeyList, checkpoint: Checkpoint, name: string): void {
  const { hparams } = checkpoint;
  const parameters = new Parameters(pairs, name, hparams);
  parameters.count('context_length', 'max_position_embeddings');
  parameters.count('embedding_length', 'hidden_size');
  parameters.count('block_count', 'num_hidden_layers');
  parameters.count('feed_forward_length', 'intermediate_size');
  parameters.count('attention.head_count', 'num_attention_heads');
  const heads = hparams.has('num_key_value_heads') ? 'num_key_value_heads' : 'num_attention_heads';
  parameters.count('attention.head_count_kv', heads);
  parameters.float('attention.layer_norm_rms_epsilon', 'rms_norm_eps');
  parameters.count('attention.key_length', 'head_dim');
  parameters.count('attention.value_length', 'head_dim');
  setFileType(pairs, checkpoint);
}

const noSpacePrefix = (pairs: KeyList): void => {
  pairs.set(flag('tokenizer.ggml.add_space_prefix', false));
};

/** The tokens of CodeGemma, which llama.cpp's converter writes for all models of the first generation. */
const CODE_GEMMA = [
  ['prefix', 67],
  ['suffix', 69],
  ['middle', 68],
  ['fsep', 70],
  ['eot', 107],
] as const;

export const gemma: Architecture = decoder({
  name: 'gemma',
  epsilon: 'rms',
  classes: ['GemmaForCausalLM'],
  keep: withoutOutput,
  recipes: (checkpoint, sizes) => [
    ...outerTensors(sizes),
    ...allLayers(sizes, (block) => [
      ...norm(block, 'attn_norm', 'input_layernorm', sizes.embedding),
      ...norm(block, 'ffn_norm', 'post_attention_layernorm', sizes.embedding),
      ...attention(block, sizes, { bias: 'may' }),
      ...gatedFeedForward(block, sizes.embedding, feedForwardOf(checkpoint)),
    ]),
  ],
  parameters: (pairs, checkpoint) => {
    setParameters(pairs, checkpoint, 'gemma');
  },
  vocabulary: async (pairs, checkpoint) => {
    await firstVocabulary(pairs, checkpoint, sentencePiece);
    const types = CODE_GEMMA.map(([type]) => type);
    await setSpecialTokens(pairs, checkpoint, { types, known: CODE_GEMMA, chatTemplate: false });
    noSpacePrefix(pairs);
  },
});

export const gemma2: Architecture = decoder({
  name: 'gemma2',
  epsilon: 'rms',
  classes: ['Gemma2ForCausalLM'],
  keep: withoutOutput,
  recipes: (checkpoint, sizes) => [
    ...outerTensors(sizes),
    ...allLayers(sizes, (block) => [
      ...norms(block, sizes),
      ...attention(block, sizes, { bias: 'may' }),
      ...gatedFeedForward(block, sizes.embedding, feedForwardOf(checkpoint)),
    ]),
  ],
  parameters: (pairs, checkpoint) => {
    setParameters(pairs, checkpoint, 'gemma2');
    const parameters = new Parameters(pairs, 'gemma2', checkpoint.hparams);
    parameters.float('attn_logit_softcapping', 'attn_logit_softcapping');
    parameters.float('final_logit_softcapping', 'final_logit_softcapping');
    parameters.count('attention.sliding_window', 'sliding_window');
  },
  vocabulary: async (pairs, checkpoint) => {
    await firstVocabulary(pairs, checkpoint, sentencePiece);
    noSpacePrefix(pairs);
  },
});

/** What becomes of the tensors of the third generation: embeddings end where the tokenizer's tokens do. */
export async function gemma3Recipes(checkpoint: Checkpoint, sizes: Sizes): Promise<readonly Recipe[]> {
  const tokens = await tokensOf(checkpoint);
  return [
    modelBlock.tensor('token_embd.weight', 'model.embed_tokens.weight', [null, sizes.embedding], {
      change: (weight) => rows(weight, 0, Math.min(tokens, weight.shape[0] ?? 0)),
    }),
    ...norm(modelBlock, 'output_norm', 'model.norm', sizes.embedding),
    output(sizes, true),
    ...allLayers(sizes, (block) => [
      ...norms(block, sizes),
      ...attention(block, sizes, { bias: 'may' }),
      ...norm(block, 'attn_q_norm', 'self_attn.q_norm', sizes.head),
      ...norm(block, 'attn_k_norm', 'self_attn.k_norm', sizes.head),
      ...gatedFeedForward(block, sizes.embedding, feedForwardOf(checkpoint)),
    ]),
  ];
}

/** A SentencePiece vocabulary is as large as config.json says; of another one its tokens are counted. */
async function tokensOf({ files, hparams }: Checkpoint): Promise<number> {
  if ((await files.source('tokenizer.model')) !== null) return countIn(hparams, 'vocab_size');
  const tokenizer = await files.plain('tokenizer.json');
  const added = itemsOf(tokenizer?.get('added_tokens')).length;
  return (tokenizer?.countTokens() ?? 0) + added;
}

/** The pairs of the third generation: those of all models, some of them with defaults of their own. */
export function setGemma3Parameters(pairs: KeyList, checkpoint: Checkpoint, name: string): void {
  const { hparams } = checkpoint;
  refuseSoftCap(checkpoint);
  setBaseParameters(pairs, checkpoint, name);
  const parameters = new Parameters(pairs, name, hparams);
  parameters.setCount('context_length', optionalCountIn(hparams, CONTEXT[0]) ?? 131_072);
  parameters.setCount('attention.head_count', optionalCountIn(hparams, HEADS[0]) ?? 8);
  parameters.floatOr('attention.layer_norm_rms_epsilon', 1e-6, 'rms_norm_eps');
  const head = optionalCountIn(hparams, 'head_dim') ?? 256;
  parameters.setCount('attention.key_length', head);
  parameters.setCount('attention.value_length', head);
  new Parameters(pairs, name, fullRope(checkpoint)).floatOr('rope.freq_base', 1_000_000, 'rope_theta');
  const cap = optionalFloatIn(hparams, 'final_logit_softcapping') ?? 0;
  if (cap !== 0) parameters.setFloat('final_logit_softcapping', cap);
  const isLocal = !hparams.has('sliding_window_pattern') || floatIn(hparams, 'sliding_window_pattern') !== 1;
  if (isLocal) parameters.count('attention.sliding_window', 'sliding_window');
  parameters.setCount('attention.head_count_kv', optionalCountIn(hparams, KEY_VALUE_HEADS[0]) ?? 4);
}

function refuseSoftCap({ hparams, name }: Checkpoint): void {
  if ((hparams.find('attn_logit_softcapping') ?? null) === null) return;
  const detail = 'llama.cpp has no place for attn_logit_softcapping in models of this kind';
  throw new QuantizeError('unsupported_model', { file: name, detail });
}

export const gemma3: Architecture = decoder({
  name: 'gemma3',
  epsilon: 'rms',
  classes: ['Gemma3ForCausalLM', 'Gemma3ForConditionalGeneration'],
  recipes: gemma3Recipes,
  parameters: (pairs, checkpoint) => {
    setGemma3Parameters(pairs, checkpoint, 'gemma3');
  },
  vocabulary: async (pairs, checkpoint) => {
    if (await sentencePiece(pairs, checkpoint)) noSpacePrefix(pairs);
    else await firstVocabulary(pairs, checkpoint, byteLevel);
  },
});
