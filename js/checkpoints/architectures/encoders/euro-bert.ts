import { flag, text } from '../../../containers/gguf/key-values.js';
import { byteLevel } from '../../tokenizer/vocabularies.js';
import type { Architecture } from '../architecture.js';
import type { Block } from '../base/block.js';
import { attention, gatedFeedForward, preNorms } from '../base/common.js';
import { firstVocabulary } from '../base/decoder.js';
import { floatIn, RMS_EPSILON, setBaseParameters } from '../base/parameters.js';
import { feedForwardOf } from '../base/sizes.js';
import { setPooling } from '../pooling.js';
import { aroundLayers, encoder, layersOf } from './encoder.js';

const NAME = 'eurobert';

export const euroBert: Architecture = encoder({
  name: NAME,
  classes: ['EuroBertModel', 'JinaEmbeddingsV5Model'],
  keep: (name) => name.replace(/^model\./u, ''),
  recipes: (checkpoint, sizes) => [
    aroundLayers.tensor('token_embd.weight', 'embed_tokens.weight', [sizes.vocabulary, sizes.embedding]),
    ...aroundLayers.matrix('output_norm', 'norm', [sizes.embedding]),
    ...layersOf(sizes, 'layers.', (block: Block) => [
      ...preNorms(block, sizes.embedding),
      ...attention(block, sizes, { bias: 'may' }),
      ...gatedFeedForward(block, sizes.embedding, feedForwardOf(checkpoint)),
    ]),
  ],
  async parameters(pairs, checkpoint) {
    floatIn(checkpoint.hparams, ...RMS_EPSILON);
    setBaseParameters(pairs, checkpoint, NAME);
    pairs.set(flag(`${NAME}.attention.causal`, false), text(`${NAME}.rope.scaling.type`, 'none'));
    await setPooling(pairs, checkpoint, NAME);
  },
  async vocabulary(pairs, checkpoint) {
    pairs.set(flag('tokenizer.ggml.add_bos_token', false));
    await firstVocabulary(pairs, checkpoint, byteLevel);
  },
});
