import { invalidFile } from '../../../containers/invalid-file.js';
import type { Tensor } from '../../../layouts/tensor.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { KeyList } from '../../key-list.js';
import type { Architecture } from '../architecture.js';
import { checkOpenable, type Epsilon } from './openable.js';
import { keptWeights, madeBy, type Kept, type Recipe } from './recipes.js';
import { sizesOf, type Sizes } from './sizes.js';

/** A family of decoders. */
export interface Family extends Omit<Architecture, 'tensors'> {
  /** Which key its norms have. */
  readonly epsilon: Epsilon;
  /** What becomes of the checkpoint's tensors. */
  readonly recipes: (checkpoint: Checkpoint, sizes: Sizes) => readonly Recipe[] | Promise<readonly Recipe[]>;
  /** Tensors that are in no checkpoint, and stand before all others. */
  readonly generated?: (checkpoint: Checkpoint, sizes: Sizes) => readonly Tensor[];
  /** Another name for a tensor's place, or null where it has none and is left out. */
  readonly keep?: (name: string, checkpoint: Checkpoint) => string | null;
  /** Where config.json's sizes are not simply those of the model. */
  readonly sizes?: (checkpoint: Checkpoint) => Sizes;
}

/** The architecture of a family. */
export function decoder(family: Family): Architecture {
  const { epsilon, recipes, generated, keep, sizes, ...architecture } = family;
  return {
    ...architecture,
    async tensors(checkpoint: Checkpoint): Promise<readonly Tensor[]> {
      const known = (sizes ?? sizesOf)(checkpoint);
      const kept = keptWeights(checkpoint).flatMap(({ name, weight }): readonly Kept[] => {
        const other = keep === undefined ? inModel(name) : keep(inModel(name), checkpoint);
        return other === null ? [] : [{ name: other, weight }];
      });
      const made = madeBy(checkpoint, await recipes(checkpoint, known), kept);
      return [...(generated?.(checkpoint, known) ?? []), ...made];
    },
    async parameters(pairs: KeyList, checkpoint: Checkpoint): Promise<void> {
      await architecture.parameters(pairs, checkpoint);
      checkOpenable(pairs, checkpoint, architecture.name, epsilon);
    },
  };
}

const BARE = ['embed_tokens.', 'layers.', 'norm.'];

/** Models that were saved without what turns their states into words have shorter names. */
export const inModel = (name: string): string => (BARE.some((bare) => name.startsWith(bare)) ? `model.${name}` : name);

/** Writes what a GGUF says of a vocabulary; false where a checkpoint has none of that kind. */
export type VocabularyReader = (pairs: KeyList, checkpoint: Checkpoint) => Promise<boolean>;

/** Reads the first vocabulary that a checkpoint has of those kinds; rejects with `invalid_file` where it has none of them. */
export async function firstVocabulary(
  pairs: KeyList,
  checkpoint: Checkpoint,
  ...kinds: readonly VocabularyReader[]
): Promise<void> {
  for (const read of kinds) if (await read(pairs, checkpoint)) return;
  throw invalidFile(
    checkpoint,
    'there is no tokenizer beside it that models of this kind have (tokenizer.json, tokenizer.model); of other files ' +
      "transformers makes a tokenizer.json: AutoTokenizer.from_pretrained('…').save_pretrained('…')",
  );
}
