import { u32 } from '../../../containers/gguf/key-values.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { KeyList } from '../../key-list.js';
import { rows } from '../../weights/operations.js';
import { countIn, optionalCountIn } from '../base/parameters.js';
import type { Recipe } from '../base/recipes.js';
import { positive, type Sizes } from '../base/sizes.js';
import { aroundLayers } from './encoder.js';

const COUNT = 'max_position_embeddings';
const PADDING = 'pad_token_id';

/** How many positions RoBERTa and its descendants count before the first token of a text: all up to that of padding. */
export const skippedPositions = ({ hparams }: Checkpoint): number => {
  const padding = optionalCountIn(hparams, PADDING);
  return padding === undefined ? 0 : padding + 1;
};

/** How many tokens a text may have. Throws `invalid_file` where none is left. */
function contextOf(checkpoint: Checkpoint): number {
  const { hparams } = checkpoint;
  const left = positive(hparams, COUNT) - skippedPositions(checkpoint);
  if (left < 1)
    throw hparams.wrong(
      [PADDING],
      `less than ${countIn(hparams, COUNT) - 1}, as ${COUNT} is ${countIn(hparams, COUNT)}`,
    );
  return left;
}

/** Writes how many tokens a text may have in the place of how many positions there are. */
export function setContext(pairs: KeyList, checkpoint: Checkpoint, architecture: string): void {
  if (checkpoint.hparams.has(COUNT)) pairs.set(u32(`${architecture}.context_length`, contextOf(checkpoint)));
}

/** The embeddings of positions that tokens of a text can have. */
export function countedPositions(checkpoint: Checkpoint, { embedding }: Sizes): Recipe {
  const skipped = skippedPositions(checkpoint);
  const all = skipped + contextOf(checkpoint);
  return aroundLayers.tensor('position_embd.weight', 'embeddings.position_embeddings.weight', [all, embedding], {
    ...(skipped === 0 ? {} : { change: (weight) => rows(weight, skipped, all) }),
  });
}
