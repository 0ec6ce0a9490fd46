import { invalidFile } from '../../../containers/invalid-file.js';
import { u32 } from '../../../containers/gguf/key-values.js';
import { wholeNumber } from '../../../formats/folder/json.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { Architecture } from '../architecture.js';
import { decoder } from '../base/decoder.js';
import { gemma3, gemma3Recipes, setGemma3Parameters } from '../decoders/gemma.js';
import { setPooling } from '../pooling.js';

const NAME = 'gemma-embedding';
const WINDOW = 'sliding_window';

/** As config.json has it: transformers makes it half as large for models that look both ways. */
async function windowOf({ files, name }: Checkpoint): Promise<number> {
  const window = wholeNumber((await files.object('config.json'))?.get(WINDOW));
  if (window !== undefined && window >= 0 && window <= 0xffffffff) return window;
  throw invalidFile({ name }, `config.json has no whole number as "${WINDOW}"`);
}

/** The third generation of Gemma as a model of embeddings, without the layers that follow when vectors are pooled. */
export const gemmaEmbedding: Architecture = decoder({
  name: NAME,
  epsilon: 'rms',
  classes: ['Gemma3TextModel'],
  recipes: gemma3Recipes,
  async parameters(pairs, checkpoint) {
    setGemma3Parameters(pairs, checkpoint, NAME);
    pairs.set(u32(`${NAME}.attention.${WINDOW}`, await windowOf(checkpoint)));
    await setPooling(pairs, checkpoint, NAME);
  },
  vocabulary: (pairs, checkpoint) => gemma3.vocabulary(pairs, checkpoint),
});
