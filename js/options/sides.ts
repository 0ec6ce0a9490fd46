/** What is validated: what calls hold of the two sides, and what is read of it. */

import { invalidOption } from '../checks.js';
import type { ModelSource } from '../endpoints.js';
import type { QuantizedLayer, WeightsByName } from '../types.js';
import type { RawWeights } from '../wasm/module.js';
import { readSource } from './sources.js';
import { collectWeights, isTable } from './weights.js';

/** Two models; or weights by name, and the result of a batch. */
export type HeldSides =
  | { readonly original: ModelSource; readonly quantized: ModelSource }
  | { readonly weights: ReadonlyMap<string, RawWeights>; readonly made: ReadonlyMap<string, QuantizedLayer> };

/** At once, but for an Arrow table. Throws `invalid_option` and `invalid_weights`. */
export function holdSides(original: ModelSource | WeightsByName, quantized: unknown): HeldSides | Promise<HeldSides> {
  if (isMap(quantized)) {
    const made = new Map(quantized as ReadonlyMap<string, QuantizedLayer>);
    const weights = collectWeights(original as WeightsByName, { transfer: false });
    return weights instanceof Promise ? weights.then((read) => ({ weights: read, made })) : { weights, made };
  }
  if (isMap(original) || isTable(original) || isTable(quantized))
    throw invalidOption(
      'quantized',
      quantized,
      'the result of a batch where original is weights by name, else a model',
    );
  return { original: readSource('original', original), quantized: readSource('quantized', quantized) };
}

/** By tag: the Map may come from another realm. No source of models is one. */
const isMap = (value: unknown): boolean => Object.prototype.toString.call(value) === '[object Map]';
