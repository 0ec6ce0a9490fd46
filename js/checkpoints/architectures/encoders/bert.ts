import { f32 } from '../../../containers/gguf/key-values.js';
import { wordPiece } from '../../tokenizer/vocabularies.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { Architecture } from '../architecture.js';
import type { Block } from '../base/block.js';
import { firstVocabulary } from '../base/decoder.js';
import { CONTEXT, floatIn, LAYER_NORM_EPSILON } from '../base/parameters.js';
import type { Recipe } from '../base/recipes.js';
import { feedForwardOf, positive, type Sizes } from '../base/sizes.js';
import { aroundLayers, classifierName, encoder, layersOf, setEncoderParameters } from './encoder.js';
import { labelsOf } from './labels.js';

const NAME = 'bert';

/** What no vector depends on: a step after the last layer, and what guesses words that were left out. */
const LEFT_OUT = ['embeddings.position_ids', 'pooler.dense.weight', 'pooler.dense.bias'];
const LEFT_OUT_BEGINNINGS = ['cls.predictions', 'cls.seq_relationship'];

/** A tensor's name as BERT itself has it; null for one that is left out. */
export function bertName(name: string): string | null {
  const kept = name
    .replace(/^bert\./u, '')
    .replace(/\.gamma$/u, '.weight')
    .replace(/\.beta$/u, '.bias');
  const isLeftOut = LEFT_OUT.includes(kept) || LEFT_OUT_BEGINNINGS.some((beginning) => kept.startsWith(beginning));
  return isLeftOut ? null : kept;
}

const keep = (name: string, checkpoint: Checkpoint): string | null => {
  const kept = bertName(name);
  return kept === null ? null : classifierName(kept, checkpoint);
};

/** What BERT's descendants have around their layers; llama.cpp opens most of them without kinds of tokens. */
export const bertEmbeddings = (
  checkpoint: Checkpoint,
  { embedding, vocabulary }: Sizes,
  { areTypesOptional = true }: { readonly areTypesOptional?: boolean } = {},
): readonly Recipe[] => [
  aroundLayers.tensor('token_embd.weight', 'embeddings.word_embeddings.weight', [vocabulary, embedding]),
  aroundLayers.tensor(
    'token_types.weight',
    'embeddings.token_type_embeddings.weight',
    [tokenTypes(checkpoint), embedding],
    { optional: areTypesOptional },
  ),
  ...aroundLayers.matrix('token_embd_norm', 'embeddings.LayerNorm', [embedding], { bias: 'must' }),
];

/** How many kinds of tokens a text may have; llama.cpp opens no model without them. */
export const tokenTypes = ({ hparams }: Checkpoint): number =>
  hparams.has('type_vocab_size') ? positive(hparams, 'type_vocab_size') : 1;

/** A classifier of one or two steps. */
export const classifier = (
  checkpoint: Checkpoint,
  { embedding }: Sizes,
  first: readonly string[],
): readonly Recipe[] => [
  ...first.flatMap((part) => aroundLayers.matrix('cls', part, [embedding, embedding], { optional: true, bias: 'may' })),
  ...aroundLayers.matrix('cls.output', 'classifier.out_proj', [labelsOf(checkpoint)?.length ?? 1, embedding], {
    optional: true,
    bias: 'may',
  }),
];

/** A layer of BERT. */
export function bertLayer(
  block: Block,
  { embedding, heads, keyValueHeads, head }: Sizes,
  inner: number,
): readonly Recipe[] {
  const may = { bias: 'may' } as const;
  const must = { bias: 'must' } as const;
  return [
    ...block.matrix('attn_q', 'attention.self.query', [heads * head, embedding], may),
    ...block.matrix('attn_k', 'attention.self.key', [keyValueHeads * head, embedding], may),
    ...block.matrix('attn_v', 'attention.self.value', [keyValueHeads * head, embedding], may),
    ...block.matrix('attn_output', 'attention.output.dense', [embedding, heads * head], may),
    ...block.matrix('attn_output_norm', 'attention.output.LayerNorm', [embedding], must),
    ...block.matrix('ffn_up', 'intermediate.dense', [inner, embedding], may),
    ...block.matrix('ffn_down', 'output.dense', [embedding, inner], may),
    ...block.matrix('layer_output_norm', 'output.LayerNorm', [embedding], must),
  ];
}

/** Embeddings of positions, as many as a text may have tokens. */
const positions = ({ hparams }: Checkpoint, { embedding }: Sizes): Recipe =>
  aroundLayers.tensor('position_embd.weight', 'embeddings.position_embeddings.weight', [
    positive(hparams, ...CONTEXT),
    embedding,
  ]);

export const bert: Architecture = encoder({
  name: NAME,
  classes: ['BertModel', 'BertForMaskedLM', 'BertForSequenceClassification'],
  keep,
  recipes: (checkpoint, sizes) => [
    ...bertEmbeddings(checkpoint, sizes),
    positions(checkpoint, sizes),
    ...layersOf(sizes, 'encoder.layer.', (block) => bertLayer(block, sizes, feedForwardOf(checkpoint))),
    ...classifier(checkpoint, sizes, ['classifier', 'classifier.dense']),
  ],
  async parameters(pairs, checkpoint) {
    floatIn(checkpoint.hparams, ...LAYER_NORM_EPSILON);
    await setEncoderParameters(pairs, checkpoint, NAME);
  },
  vocabulary: (pairs, checkpoint) => firstVocabulary(pairs, checkpoint, wordPiece),
});

/** A layer of DistilBERT. */
function distilledLayer(
  block: Block,
  { embedding, heads, keyValueHeads, head }: Sizes,
  inner: number,
): readonly Recipe[] {
  const may = { bias: 'may' } as const;
  const must = { bias: 'must' } as const;
  return [
    ...block.matrix('attn_q', 'attention.q_lin', [heads * head, embedding], may),
    ...block.matrix('attn_k', 'attention.k_lin', [keyValueHeads * head, embedding], may),
    ...block.matrix('attn_v', 'attention.v_lin', [keyValueHeads * head, embedding], may),
    ...block.matrix('attn_output', 'attention.out_lin', [embedding, heads * head], may),
    ...block.matrix('attn_output_norm', 'sa_layer_norm', [embedding], must),
    ...block.matrix('ffn_up', 'ffn.lin1', [inner, embedding], may),
    ...block.matrix('ffn_down', 'ffn.lin2', [embedding, inner], may),
    ...block.matrix('layer_output_norm', 'output_layer_norm', [embedding], must),
  ];
}

/** The only one that DistilBERT has, and no config.json says. */
const DISTILLED_EPSILON = 1e-12;

export const distilBert: Architecture = encoder({
  name: NAME,
  classes: ['DistilBertModel', 'DistilBertForMaskedLM', 'DistilBertForSequenceClassification'],
  keep(name, checkpoint) {
    const own = name.replace(/^distilbert\./u, '');
    return own.startsWith('vocab_') ? null : keep(own, checkpoint);
  },
  recipes: (checkpoint, sizes) => [
    ...bertEmbeddings(checkpoint, sizes),
    positions(checkpoint, sizes),
    ...layersOf(sizes, 'transformer.layer.', (block) => distilledLayer(block, sizes, feedForwardOf(checkpoint))),
    ...classifier(checkpoint, sizes, ['pre_classifier', 'classifier']),
  ],
  async parameters(pairs, checkpoint) {
    pairs.set(f32(`${NAME}.attention.layer_norm_epsilon`, DISTILLED_EPSILON));
    await setEncoderParameters(pairs, checkpoint, NAME);
  },
  vocabulary: (pairs, checkpoint) => firstVocabulary(pairs, checkpoint, wordPiece),
});
