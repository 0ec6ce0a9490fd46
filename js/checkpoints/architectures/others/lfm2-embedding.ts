import { flag } from '../../../containers/gguf/key-values.js';
import { QuantizeError } from '../../../errors.js';
import type { Hparams } from '../../config/hparams.js';
import { renamed } from '../../weights/weight.js';
import type { Architecture } from '../architecture.js';
import { lfm2 } from '../decoders/lfm2.js';
import { setPooling } from '../pooling.js';

/** The layer that follows in some of them. */
const DENSE = '1_Dense/model.safetensors';

const BIDIRECTIONAL = 'Lfm2BidirectionalModel';

function isBidirectional(hparams: Hparams): boolean {
  const classes = hparams.find('architectures');
  return Array.isArray(classes) && classes[0] === BIDIRECTIONAL;
}

/** LFM2 as a model of embeddings: its tensors are not said to be those of a part of it. */
export const lfm2Embedding: Architecture = {
  ...lfm2,
  classes: ['Lfm2Model', BIDIRECTIONAL],
  tensors: (checkpoint) =>
    lfm2.tensors({
      ...checkpoint,
      weights: checkpoint.weights.map((weight) => renamed(weight, `model.${weight.name}`)),
    }),
  async parameters(pairs, checkpoint) {
    const { files, hparams, name } = checkpoint;
    if ((await files.source(DENSE)) !== null) {
      const detail = `${DENSE} has a layer that vectors go through at last, which is not taken over`;
      throw new QuantizeError('unsupported_model', { file: name, detail });
    }
    await lfm2.parameters(pairs, checkpoint);
    if (isBidirectional(hparams)) pairs.set(flag('lfm2.attention.causal', false));
    await setPooling(pairs, checkpoint, 'lfm2');
  },
};
