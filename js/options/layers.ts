import type { GivenLayer } from '../convert/quantize-layers.js';
import { QuantizeError } from '../errors.js';
import type { Weights } from '../types.js';
import type { RawWeights } from '../wasm/module.js';
import { readShapedWeights } from './weights.js';

/**
 * Layers in sorted name order, as the module reads them. Throws the error of one that is wrong; where the batch goes on after
 * errors, a detached buffer is the failure of its layer alone.
 */
export function readLayers(
  weights: ReadonlyMap<string, RawWeights>,
  { continueOnError }: { readonly continueOnError: boolean },
): readonly GivenLayer[] {
  const names = [...weights.keys()].sort((a, b) => (a < b ? -1 : 1));
  return names.map((name) => {
    try {
      return { name, ...readShapedWeights(weights.get(name) as Weights) };
    } catch (error) {
      const failure = inLayer(error, name);
      if (failure.code !== 'detached_buffer' || !continueOnError) throw failure;
      return { name, data: new Float32Array(), shape: [0], failure };
    }
  });
}

function inLayer(error: unknown, layer: string): QuantizeError {
  if (!(error instanceof QuantizeError)) return new QuantizeError('invalid_weights', { layer, cause: error });
  const { code, detail } = error;
  return new QuantizeError(code, { layer, ...(detail !== undefined && { detail }) });
}
