import { QuantizeError } from '../../../errors.js';
import type { Checkpoint } from '../../checkpoint.js';
import { Parameters } from '../base/parameters.js';
import { sizesOf } from '../base/sizes.js';
import { llamaLike, llamaRecipes, setLlamaParameters } from './llama.js';

/** The third generation of small ones rotates positions far beyond those that it was trained with. */
function checkYarn({ rope, name }: Checkpoint): void {
  if (rope.text('rope_type') === 'yarn') return;
  const detail = 'llama.cpp has no other way of rotating positions than yarn for models of the kind ministral3';
  throw new QuantizeError('unsupported_model', { file: name, detail });
}

/** The text part of models that see, too. */
export const mistral3 = llamaLike({
  name: 'mistral3',
  classes: ['Mistral3ForConditionalGeneration', 'Ministral3ForCausalLM'],
  recipes: (checkpoint, sizes) => {
    if (checkpoint.hparams.text('model_type') === 'mistral4') {
      const detail = 'models of the kind mistral4 cannot be converted';
      throw new QuantizeError('unsupported_model', { file: checkpoint.name, detail });
    }
    return llamaRecipes(checkpoint, sizes);
  },
  parameters: (pairs, checkpoint) => {
    const { hparams, rope } = checkpoint;
    setLlamaParameters(pairs, checkpoint, 'mistral3', sizesOf(checkpoint));
    if (hparams.text('model_type') !== 'ministral3') return;
    checkYarn(checkpoint);
    const parameters = new Parameters(pairs, 'mistral3', rope);
    parameters.float('rope.scaling.yarn_log_multiplier', 'mscale_all_dim');
    parameters.float('attention.temperature_scale', 'llama_4_scaling_beta');
  },
});
