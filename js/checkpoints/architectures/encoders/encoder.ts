import { flag } from '../../../containers/gguf/key-values.js';
import { QuantizeError } from '../../../errors.js';
import { sourceOf } from '../../../layouts/tensor.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { KeyList } from '../../key-list.js';
import type { Architecture } from '../architecture.js';
import { Block } from '../base/block.js';
import { keptName } from '../base/names.js';
import { setBaseParameters } from '../base/parameters.js';
import { madeBy, type Kept, type Recipe } from '../base/recipes.js';
import { sizesOf, type Sizes } from '../base/sizes.js';
import { setPooling } from '../pooling.js';
import { labelsOf, setLabels } from './labels.js';

/** A family of models that make vectors of texts, or put texts into classes. */
export interface EncoderFamily extends Omit<Architecture, 'tensors'> {
  /** What becomes of the checkpoint's tensors. */
  readonly recipes: (checkpoint: Checkpoint, sizes: Sizes) => readonly Recipe[];
  /** The name under which a tensor's place is looked for; null for one that is left out. */
  readonly keep: (name: string, checkpoint: Checkpoint) => string | null;
}

/** The architecture of a family. */
export function encoder({ recipes, keep, ...architecture }: EncoderFamily): Architecture {
  return {
    ...architecture,
    tensors(checkpoint) {
      const kept = checkpoint.weights.flatMap((weight): readonly Kept[] => {
        const own = keep(weight.name, checkpoint);
        const name = own === null ? null : keptName(own);
        return name === null ? [] : [{ name, weight }];
      });
      refuseNameless(checkpoint, kept);
      return madeBy(checkpoint, recipes(checkpoint, sizesOf(checkpoint)), kept);
    },
  };
}

export const aroundLayers = new Block('', '');

/** The recipes of all layers; `prefix` stands before a layer's number in the checkpoint. */
export const layersOf = (
  { layers }: Sizes,
  prefix: string,
  recipes: (block: Block, layer: number) => readonly Recipe[],
): readonly Recipe[] =>
  Array.from({ length: layers }, (_, layer) => recipes(new Block(`blk.${layer}.`, `${prefix}${layer}.`), layer)).flat();

/** The pairs that all encoders have. */
export async function setEncoderParameters(pairs: KeyList, checkpoint: Checkpoint, name: string): Promise<void> {
  setBaseParameters(pairs, checkpoint, name);
  pairs.set(flag(`${name}.attention.causal`, false));
  await setPooling(pairs, checkpoint, name);
  setLabels(pairs, checkpoint, name);
}

/** How llama.cpp knows a classifier: it is the last step where the classes have names. */
export const classifierName = (name: string, checkpoint: Checkpoint): string =>
  labelsOf(checkpoint) === undefined
    ? name
    : name.replace(/^classifier\.(?=(?:weight|bias)$)/u, 'classifier.out_proj.');

/** Without names of its classes llama.cpp takes it that there is one, and that a classifier of one step is the first of two. */
function refuseNameless(checkpoint: Checkpoint, kept: readonly Kept[]): void {
  if (labelsOf(checkpoint) !== undefined) return;
  const nameless = kept.find(({ name, weight: { shape } }) =>
    name === 'classifier.weight' ? shape[0] !== shape[1] : name === 'classifier.out_proj.weight' && shape[0] !== 1,
  );
  if (nameless === undefined) return;
  const { weight } = nameless;
  const detail = `the ${weight.shape[0] ?? 0} classes that it tells apart have no names, without which llama.cpp does not open it; give them names in config.json, under id2label`;
  throw new QuantizeError('unsupported_model', { file: sourceOf(weight).name, layer: weight.name, detail });
}
