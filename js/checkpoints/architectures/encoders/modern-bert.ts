import { flag, text } from '../../../containers/gguf/key-values.js';
import { QuantizeError } from '../../../errors.js';
import type { Json } from '../../../formats/folder/json.js';
import type { Checkpoint } from '../../checkpoint.js';
import { byteLevel } from '../../tokenizer/vocabularies.js';
import type { Architecture } from '../architecture.js';
import type { Block } from '../base/block.js';
import { firstVocabulary } from '../base/decoder.js';
import { floatIn, LAYER_NORM_EPSILON, Parameters } from '../base/parameters.js';
import type { Recipe } from '../base/recipes.js';
import { feedForwardOf, type Sizes } from '../base/sizes.js';
import { bertName, classifier } from './bert.js';
import { aroundLayers, classifierName, encoder, layersOf, setEncoderParameters } from './encoder.js';

const NAME = 'modern-bert';

function layer(block: Block, number: number, { embedding }: Sizes, inner: number): readonly Recipe[] {
  return [
    ...block.matrix('attn_norm', 'attn_norm', [embedding], { optional: number === 0 }),
    ...block.matrix('attn_qkv', 'attn.Wqkv', [3 * embedding, embedding]),
    ...block.matrix('attn_output', 'attn.Wo', [embedding, embedding]),
    ...block.matrix('ffn_norm', 'mlp_norm', [embedding]),
    ...block.matrix('ffn_up', 'mlp.Wi', [2 * inner, embedding]),
    ...block.matrix('ffn_down', 'mlp.Wo', [embedding, inner]),
  ];
}

const recipes = (checkpoint: Checkpoint, sizes: Sizes): readonly Recipe[] => [
  aroundLayers.tensor('token_embd.weight', 'embeddings.tok_embeddings.weight', [sizes.vocabulary, sizes.embedding]),
  ...aroundLayers.matrix('token_embd_norm', 'embeddings.norm', [sizes.embedding]),
  ...aroundLayers.matrix('output_norm', 'final_norm', [sizes.embedding]),
  ...layersOf(sizes, 'layers.', (block, number) => layer(block, number, sizes, feedForwardOf(checkpoint))),
  ...aroundLayers.matrix('cls', 'head.dense', [sizes.embedding, sizes.embedding], { optional: true }),
  ...aroundLayers.matrix('cls.norm', 'head.norm', [sizes.embedding], { optional: true }),
  ...classifier(checkpoint, sizes, []),
];

/** llama.cpp takes this one for a network without the gate that the model has, and ends itself. */
function refuseUngated(activation: Json | undefined, { name }: Checkpoint): void {
  if (activation !== 'relu') return;
  const detail = 'llama.cpp does not run models of this kind with relu as hidden_activation';
  throw new QuantizeError('unsupported_model', { file: name, detail });
}

export const modernBert: Architecture = encoder({
  name: NAME,
  classes: ['ModernBertModel', 'ModernBertForMaskedLM', 'ModernBertForSequenceClassification'],
  keep(name, checkpoint) {
    const kept = bertName(name.replace(/^model\./u, ''));
    return kept === null ? null : classifierName(kept, checkpoint);
  },
  recipes,
  async parameters(pairs, checkpoint) {
    const { hparams } = checkpoint;
    floatIn(hparams, ...LAYER_NORM_EPSILON);
    await setEncoderParameters(pairs, checkpoint, NAME);
    const parameters = new Parameters(pairs, NAME, hparams);
    parameters.count('attention.sliding_window', 'local_attention');
    parameters.optionalCount('attention.sliding_window_pattern', 'global_attn_every_n_layers');
    pairs.set(text(`${NAME}.rope.scaling.type`, 'none'));
    parameters.count('vocab_size', 'vocab_size');
    const activation = hparams.find('hidden_activation');
    refuseUngated(activation, checkpoint);
    if (typeof activation === 'string') pairs.set(text(`${NAME}.hidden_activation`, activation));
  },
  async vocabulary(pairs, checkpoint) {
    for (const which of ['bos', 'eos', 'sep']) pairs.set(flag(`tokenizer.ggml.add_${which}_token`, true));
    await firstVocabulary(pairs, checkpoint, byteLevel);
  },
});
