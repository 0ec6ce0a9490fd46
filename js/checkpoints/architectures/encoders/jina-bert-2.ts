import { text } from '../../../containers/gguf/key-values.js';
import { quoted } from '../../../containers/invalid-file.js';
import { QuantizeError } from '../../../errors.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { KeyList } from '../../key-list.js';
import { byteLevel, setTokenTypeCount, wordPiece } from '../../tokenizer/vocabularies.js';
import type { Architecture } from '../architecture.js';
import type { Block } from '../base/block.js';
import { firstVocabulary } from '../base/decoder.js';
import { floatIn, LAYER_NORM_EPSILON } from '../base/parameters.js';
import type { Recipe } from '../base/recipes.js';
import { feedForwardOf, type Sizes } from '../base/sizes.js';
import { bertEmbeddings, bertName, tokenTypes } from './bert.js';
import { encoder, layersOf, setEncoderParameters } from './encoder.js';

const NAME = 'jina-bert-v2';

function attention(block: Block, { embedding, heads, keyValueHeads, head }: Sizes): readonly Recipe[] {
  const may = { bias: 'may' } as const;
  const must = { bias: 'must' } as const;
  const normed = { optional: true, bias: 'may' } as const;
  return [
    ...block.matrix('attn_q', 'attention.self.query', [heads * head, embedding], may),
    ...block.matrix('attn_k', 'attention.self.key', [keyValueHeads * head, embedding], may),
    ...block.matrix('attn_v', 'attention.self.value', [keyValueHeads * head, embedding], may),
    ...block.matrix('attn_q_norm', 'attention.self.layer_norm_q', [embedding], normed),
    ...block.matrix('attn_k_norm', 'attention.self.layer_norm_k', [embedding], normed),
    ...block.matrix('attn_output', 'attention.output.dense', [embedding, heads * head], must),
    ...block.matrix('attn_output_norm', 'attention.output.LayerNorm', [embedding], must),
    ...block.matrix('attn_norm_2', 'layer_norm_1', [embedding], normed),
  ];
}

/** The network inside of a layer, under the names that its versions have. */
function feedForward(block: Block, embedding: number, inner: number): readonly Recipe[] {
  const may = { bias: 'may' } as const;
  const must = { bias: 'must' } as const;
  return [
    ...block.matrix('ffn_up', 'mlp.gated_layers', [2 * inner, embedding], may),
    ...block.matrix('ffn_up', 'mlp.up_gated_layer', [2 * inner, embedding], may),
    ...block.matrix('ffn_up', 'mlp.gated_layers_v', [inner, embedding], may),
    ...block.matrix('ffn_gate', 'mlp.gated_layers_w', [inner, embedding], { optional: true }),
    ...block.matrix('ffn_down', 'mlp.wo', [embedding, inner], must),
    ...block.matrix('ffn_down', 'mlp.down_layer', [embedding, inner], must),
    ...block.matrix('layer_output_norm', 'mlp.layernorm', [embedding], must),
    ...block.matrix('layer_output_norm', 'layer_norm_2', [embedding], must),
  ];
}

/** Kinds of tokens of a model whose tokens are byte-level ones. */
const BYTE_LEVEL_TYPES = 2;

const SETTINGS = 'tokenizer_config.json';

async function vocabulary(pairs: KeyList, checkpoint: Checkpoint): Promise<void> {
  const { files, name } = checkpoint;
  const kind = (await files.object(SETTINGS))?.get('tokenizer_class');
  if (kind === 'BertTokenizer') return firstVocabulary(pairs, checkpoint, wordPiece);
  if (kind !== 'RobertaTokenizer') {
    const detail = `its tokenizer is neither a BertTokenizer nor a RobertaTokenizer, by what ${quoted('tokenizer_class')} is in ${SETTINGS}`;
    throw new QuantizeError('unsupported_model', { file: name, detail });
  }
  if (tokenTypes(checkpoint) !== BYTE_LEVEL_TYPES)
    throw checkpoint.hparams.wrong(['type_vocab_size'], String(BYTE_LEVEL_TYPES));
  await ((await isOfWords(checkpoint)) ? setWords(pairs, checkpoint) : firstVocabulary(pairs, checkpoint, byteLevel));
  setTokenTypeCount(pairs, checkpoint);
}

/** Whether tokens of byte-level BPE end where words end, whatever is between them. */
async function isOfWords({ files }: Checkpoint): Promise<boolean> {
  const type = (await files.plain('tokenizer.json'))?.get('pre_tokenizer', 'type');
  return type === 'Whitespace';
}

const WORDS = 'whitespace';

async function setWords(pairs: KeyList, checkpoint: Checkpoint): Promise<void> {
  await firstVocabulary(pairs, { ...checkpoint, options: { ...checkpoint.options, pre: WORDS } }, byteLevel);
  pairs.set(text('tokenizer.ggml.model', WORDS));
}

/** Version 2 of Jina's embeddings, which knows positions by a bias of attention. */
export const jinaBert2: Architecture = encoder({
  name: NAME,
  classes: ['JinaBertModel', 'JinaBertForMaskedLM'],
  keep: bertName,
  recipes: (checkpoint, sizes) => [
    ...bertEmbeddings(checkpoint, sizes, { areTypesOptional: false }),
    ...layersOf(sizes, 'encoder.layer.', (block) => [
      ...attention(block, sizes),
      ...feedForward(block, sizes.embedding, feedForwardOf(checkpoint)),
    ]),
  ],
  async parameters(pairs, checkpoint) {
    floatIn(checkpoint.hparams, ...LAYER_NORM_EPSILON);
    await setEncoderParameters(pairs, checkpoint, NAME);
  },
  vocabulary,
});
