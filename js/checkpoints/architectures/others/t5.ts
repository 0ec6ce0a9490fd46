import { QuantizeError } from '../../../errors.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { KeyList } from '../../key-list.js';
import { sentencePiece, unigramPieces } from '../../tokenizer/vocabularies.js';
import type { Architecture } from '../architecture.js';
import { Block, modelBlock } from '../base/block.js';
import { decoder, firstVocabulary } from '../base/decoder.js';
import { optionalCountIn, Parameters, setFileType } from '../base/parameters.js';
import type { Recipe } from '../base/recipes.js';
import { positive, type Sizes } from '../base/sizes.js';

const CONTEXT = 512;

/** What may be the embeddings of both parts: the first one that is there is taken. */
const EMBEDDINGS = ['decoder.embed_tokens.weight', 'encoder.embed_tokens.weight', 'shared.weight'];
const SHARED = 'shared.weight';

function keep(name: string, { weights }: Checkpoint): string | null {
  if (!EMBEDDINGS.includes(name)) return name;
  return weights.find((weight) => EMBEDDINGS.includes(weight.name))?.name === name ? SHARED : null;
}

/** The sizes that config.json has under names of its own. */
function t5Sizes(checkpoint: Checkpoint): Sizes {
  const { hparams } = checkpoint;
  const heads = positive(hparams, 'num_heads');
  return {
    layers: layersOf(checkpoint, 'num_layers'),
    embedding: positive(hparams, 'd_model'),
    ...{ heads, keyValueHeads: heads, head: positive(hparams, 'd_kv') },
    vocabulary: optionalCountIn(hparams, 'vocab_size') ?? null,
  };
}

/** What llama.cpp has room for. */
const MOST_LAYERS = 512;

function layersOf({ hparams }: Checkpoint, name: string): number {
  const layers = positive(hparams, name);
  if (layers > MOST_LAYERS) throw hparams.wrong([name], `at most ${MOST_LAYERS}`);
  return layers;
}

/** Attention in a layer, to what is in the same part of the model. */
function attention(block: Block, { embedding, heads, head }: Sizes, made: string, part: string): readonly Recipe[] {
  const width = heads * head;
  return [
    ...(['q', 'k', 'v'] as const).flatMap((name) =>
      block.matrix(`${made}_${name}`, `${part}.${name}`, [width, embedding]),
    ),
    ...block.matrix(`${made}_o`, `${part}.o`, [embedding, width]),
  ];
}

/** How much nearness counts: in the first layer, which all others follow, or in each. */
function nearness(block: Block, { hparams }: Checkpoint, { heads }: Sizes, index: number): readonly Recipe[] {
  const shape = [positive(hparams, 'relative_attention_num_buckets'), heads];
  return block.matrix('attn_rel_b', 'layer.0.SelfAttention.relative_attention_bias', shape, { optional: index > 0 });
}

function feedForward(block: Block, checkpoint: Checkpoint, { embedding }: Sizes, part: string): readonly Recipe[] {
  const inner = positive(checkpoint.hparams, 'd_ff');
  const isGated = checkpoint.weights.some(({ name }) => name.endsWith('.wi_0.weight'));
  return [
    ...(isGated
      ? [
          ...block.matrix('ffn_gate', `${part}.DenseReluDense.wi_0`, [inner, embedding]),
          ...block.matrix('ffn_up', `${part}.DenseReluDense.wi_1`, [inner, embedding]),
        ]
      : block.matrix('ffn_up', `${part}.DenseReluDense.wi`, [inner, embedding])),
    ...block.matrix('ffn_down', `${part}.DenseReluDense.wo`, [embedding, inner]),
    ...block.matrix('ffn_norm', `${part}.layer_norm`, [embedding]),
  ];
}

function encoderLayer(checkpoint: Checkpoint, sizes: Sizes, index: number): readonly Recipe[] {
  const block = new Block(`enc.blk.${index}.`, `encoder.block.${index}.`);
  return [
    ...attention(block, sizes, 'attn', 'layer.0.SelfAttention'),
    ...nearness(block, checkpoint, sizes, index),
    ...block.matrix('attn_norm', 'layer.0.layer_norm', [sizes.embedding]),
    ...feedForward(block, checkpoint, sizes, 'layer.1'),
  ];
}

function decoderLayer(checkpoint: Checkpoint, sizes: Sizes, index: number): readonly Recipe[] {
  const block = new Block(`dec.blk.${index}.`, `decoder.block.${index}.`);
  const shape = [positive(checkpoint.hparams, 'relative_attention_num_buckets'), sizes.heads];
  const bias = 'layer.1.EncDecAttention.relative_attention_bias';
  return [
    ...attention(block, sizes, 'attn', 'layer.0.SelfAttention'),
    ...nearness(block, checkpoint, sizes, index),
    ...block.matrix('attn_norm', 'layer.0.layer_norm', [sizes.embedding]),
    ...attention(block, sizes, 'cross_attn', 'layer.1.EncDecAttention'),
    ...block.matrix('cross_attn_rel_b', bias, shape, { optional: true }),
    ...block.matrix('cross_attn_norm', 'layer.1.layer_norm', [sizes.embedding]),
    ...feedForward(block, checkpoint, sizes, 'layer.2'),
  ];
}

function encoderRecipes(checkpoint: Checkpoint, sizes: Sizes): readonly Recipe[] {
  return [
    modelBlock.tensor('token_embd.weight', SHARED, [sizes.vocabulary, sizes.embedding]),
    modelBlock.tensor('output.weight', 'lm_head.weight', [sizes.vocabulary, sizes.embedding], { optional: true }),
    ...modelBlock.matrix('enc.output_norm', 'encoder.final_layer_norm', [sizes.embedding]),
    ...Array.from({ length: sizes.layers }, (_, index) => encoderLayer(checkpoint, sizes, index)).flat(),
  ];
}

/** Layers of the part that writes: as many as of the part that reads where config.json says nothing, and never more. */
function decoderLayersOf(checkpoint: Checkpoint, { layers }: Sizes): number {
  if (optionalCountIn(checkpoint.hparams, 'num_decoder_layers') === undefined) return layers;
  const own = layersOf(checkpoint, 'num_decoder_layers');
  if (own <= layers) return own;
  const detail = `its decoder has ${own} layers, and its encoder ${layers}: llama.cpp's converter makes nothing of such models`;
  throw new QuantizeError('unsupported_model', { file: checkpoint.name, detail });
}

function setParameters(pairs: KeyList, checkpoint: Checkpoint, name: string): void {
  const { hparams } = checkpoint;
  const parameters = new Parameters(pairs, name, hparams);
  parameters.setCount('context_length', optionalCountIn(hparams, 'n_positions') ?? CONTEXT);
  parameters.count('embedding_length', 'd_model');
  parameters.count('feed_forward_length', 'd_ff');
  parameters.count('block_count', 'num_layers');
  if (name === 't5') parameters.optionalCount('decoder_block_count', 'num_decoder_layers');
  parameters.count('attention.head_count', 'num_heads');
  parameters.count('attention.key_length', 'd_kv');
  parameters.count('attention.value_length', 'd_kv');
  parameters.float('attention.layer_norm_epsilon', 'layer_norm_epsilon');
  parameters.count('attention.relative_buckets_count', 'relative_attention_num_buckets');
  parameters.float('attention.layer_norm_rms_epsilon', 'layer_norm_epsilon');
  if (name === 't5') parameters.count('decoder_start_token_id', 'decoder_start_token_id');
  setFileType(pairs, checkpoint);
}

const vocabulary = (pairs: KeyList, checkpoint: Checkpoint): Promise<void> =>
  firstVocabulary(pairs, checkpoint, unigramPieces, sentencePiece);

/** A part that reads and one that writes. */
export const t5: Architecture = decoder({
  name: 't5',
  epsilon: 'rms',
  classes: [
    ...['T5ForConditionalGeneration', 'T5WithLMHeadModel', 'MT5ForConditionalGeneration'],
    ...['UMT5ForConditionalGeneration', 'UMT5Model'],
  ],
  sizes: t5Sizes,
  keep,
  recipes: (checkpoint, sizes) => [
    ...encoderRecipes(checkpoint, sizes),
    ...modelBlock.matrix('dec.output_norm', 'decoder.final_layer_norm', [sizes.embedding]),
    ...Array.from({ length: decoderLayersOf(checkpoint, sizes) }, (_, index) =>
      decoderLayer(checkpoint, sizes, index),
    ).flat(),
  ],
  parameters: (pairs, checkpoint) => {
    setParameters(pairs, checkpoint, 't5');
  },
  vocabulary,
});

/** The part that reads alone. */
export const t5Encoder: Architecture = decoder({
  name: 't5encoder',
  epsilon: 'rms',
  classes: ['T5EncoderModel'],
  sizes: t5Sizes,
  keep,
  recipes: encoderRecipes,
  parameters: (pairs, checkpoint) => {
    setParameters(pairs, checkpoint, 't5encoder');
  },
  vocabulary,
});
