import type { Weight } from '../../weights/weight.js';
import type { Recipe } from './recipes.js';
import type { Sizes } from './sizes.js';
import { only } from './split.js';

/** What a place may be besides its name and shape. */
export interface PlaceOptions {
  /** Whether llama.cpp opens a file without it. */
  readonly optional?: boolean | undefined;
  /** What is done with the weights, and with the biases that belong to them. */
  readonly change?: ((weight: Weight) => Weight) | undefined;
  /** Whether there may be biases, or must be; absent: there are none. */
  readonly bias?: 'may' | 'must' | undefined;
}

/** Makes the recipes for the tensors of a layer, or of the model around its layers: most are one tensor under another name. */
export class Block {
  readonly #made: string;
  readonly #part: string;

  /** What stands before the names in a GGUF, and in a checkpoint. */
  constructor(made: string, part: string) {
    this.#made = made;
    this.#part = part;
  }

  /** The names in full: in a GGUF, and in a checkpoint. */
  made(name: string): string {
    return this.#made + name;
  }

  part(name: string): string {
    return this.#part + name;
  }

  /** One tensor, under names with their endings. */
  tensor(made: string, part: string, shape: readonly (number | null)[], options: PlaceOptions = {}): Recipe {
    const { change, optional } = options;
    const make = change === undefined ? undefined : ([weight]: readonly Weight[]) => change(only(weight));
    return {
      parts: [{ name: this.part(part), shape }],
      products: [{ name: this.made(made), optional, make }],
    };
  }

  /** Weights of that shape, and biases of as many as it has rows. */
  matrix(made: string, part: string, shape: readonly number[], options: PlaceOptions = {}): readonly Recipe[] {
    const { bias, optional } = options;
    const weights = this.tensor(`${made}.weight`, `${part}.weight`, shape, options);
    if (bias === undefined) return [weights];
    const isOptional = bias === 'may' || optional === true;
    return [
      weights,
      this.tensor(`${made}.bias`, `${part}.bias`, shape.slice(0, 1), { ...options, optional: isOptional }),
    ];
  }
}

/** The blocks of a model whose layers have the names of LLaMA. */
export const modelBlock = new Block('', '');
export const layerBlock = (layer: number): Block => new Block(`blk.${layer}.`, `model.layers.${layer}.`);

/** The recipes of all layers. */
export const allLayers = (
  { layers }: Sizes,
  recipes: (block: Block, layer: number) => readonly Recipe[],
): readonly Recipe[] => Array.from({ length: layers }, (_, layer) => recipes(layerBlock(layer), layer)).flat();
