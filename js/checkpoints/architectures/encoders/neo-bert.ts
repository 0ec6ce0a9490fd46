import { f32, text, u32 } from '../../../containers/gguf/key-values.js';
import type { Checkpoint } from '../../checkpoint.js';
import { wordPiece } from '../../tokenizer/vocabularies.js';
import type { Architecture } from '../architecture.js';
import type { Block } from '../base/block.js';
import { firstVocabulary } from '../base/decoder.js';
import { floatIn } from '../base/parameters.js';
import type { Recipe } from '../base/recipes.js';
import { positive, type Sizes } from '../base/sizes.js';
import { POOLINGS } from '../pooling.js';
import { bertName, classifier } from './bert.js';
import { aroundLayers, classifierName, encoder, layersOf, setEncoderParameters } from './encoder.js';

const NAME = 'neo-bert';
const ROPE_BASE = 10_000;
const RMS_EPSILON = 1e-6;

/** The network inside of a layer has a gate, and the same number of weights as one of this size without. */
const innerOf = ({ hparams }: Checkpoint): number => Math.trunc((2 * positive(hparams, 'intermediate_size')) / 3);

function layer(block: Block, { embedding, heads, keyValueHeads, head }: Sizes, inner: number): readonly Recipe[] {
  return [
    ...block.matrix('attn_norm', 'attention_norm', [embedding]),
    ...block.matrix('attn_qkv', 'qkv', [(heads + 2 * keyValueHeads) * head, embedding]),
    ...block.matrix('attn_output', 'wo', [embedding, heads * head]),
    ...block.matrix('ffn_norm', 'ffn_norm', [embedding]),
    ...block.matrix('ffn_up', 'ffn.w12', [2 * inner, embedding]),
    ...block.matrix('ffn_down', 'ffn.w3', [embedding, inner]),
  ];
}

export const neoBert: Architecture = encoder({
  name: NAME,
  classes: ['NeoBERT', 'NeoBERTLMHead', 'NeoBERTForSequenceClassification'],
  keep(name, checkpoint) {
    if (name.startsWith('decoder.')) return null;
    const kept = bertName(name.replace(/^model\./u, ''));
    return kept === null ? null : classifierName(kept, checkpoint);
  },
  recipes: (checkpoint, sizes) => [
    aroundLayers.tensor('token_embd.weight', 'encoder.weight', [sizes.vocabulary, sizes.embedding]),
    ...aroundLayers.matrix('enc.output_norm', 'layer_norm', [sizes.embedding]),
    ...layersOf(sizes, 'transformer_encoder.', (block) => layer(block, sizes, innerOf(checkpoint))),
    ...classifier(checkpoint, sizes, ['dense', 'classifier']),
  ],
  async parameters(pairs, checkpoint) {
    const { hparams } = checkpoint;
    await setEncoderParameters(pairs, checkpoint, NAME);
    pairs.set(
      u32(`${NAME}.feed_forward_length`, innerOf(checkpoint)),
      f32(`${NAME}.rope.freq_base`, ROPE_BASE),
      text(`${NAME}.rope.scaling.type`, 'none'),
      f32(
        `${NAME}.attention.layer_norm_rms_epsilon`,
        hparams.has('norm_eps') ? floatIn(hparams, 'norm_eps') : RMS_EPSILON,
      ),
      u32(`${NAME}.pooling_type`, POOLINGS.cls),
    );
  },
  vocabulary: (pairs, checkpoint) => firstVocabulary(pairs, checkpoint, wordPiece),
});
