import type { GivenLayer } from '../convert/layers/layer.js';
import type { LayerOptions } from '../convert/layers/options.js';
import type { Sides } from '../convert/validate.js';
import { QuantizeError } from '../errors.js';
import type { BatchWarning, BitWidth, Weights } from '../types.js';
import type { RawWeights } from '../wasm/module.js';
import type { Defaults, WeighedBatch } from './batch.js';
import { readFloor } from './floor.js';
import { readLayerBits } from './layer-bits.js';
import { checkReusable } from './output.js';
import type { HeldSides } from './sides.js';
import { readQuantizedLayer, readShapedWeights } from './weights.js';

const WIDTHS: readonly BitWidth[] = [2, 4, 8];

/** Layers in sorted name order, and what they have become; or models as they are. Throws `invalid_weights` and `shape_mismatch`. */
export function readSides(held: HeldSides): Sides {
  if ('original' in held) return held;
  const made = [...held.made].map(([name, layer]) => {
    try {
      return [name, readQuantizedLayer(layer)] as const;
    } catch (error) {
      throw inLayer(error, name);
    }
  });
  return { layers: readLayers(held.weights, { continueOnError: false }), made: new Map(made) };
}

/** How layers are to be quantized. Throws `invalid_option` and `output_mismatch`. */
export function readLayerOptions(
  layers: ReadonlyMap<string, RawWeights>,
  batch: WeighedBatch,
  { profile }: Defaults,
): LayerOptions {
  const { bits, accuracy } = batch;
  const floor = accuracy === null ? null : readFloor(accuracy, profile);
  const fixed = readLayerBits(accuracy?.layerBits);
  const usual = floor?.fallback === true ? WIDTHS.filter((width) => width >= bits) : [bits];
  const widthsOf = (layer: string): readonly BitWidth[] => {
    const own = fixed.bitsOf(layer);
    return own === undefined ? usual : [own];
  };
  checkReusable(layers, batch, widthsOf);
  const isFixed = (layer: string): boolean => fixed.bitsOf(layer) !== undefined;
  const warnings = fixed
    .idle([...layers.keys()])
    .map((message): BatchWarning => ({ code: 'rule_without_match', layer: null, message }));
  return { ...batch, widthsOf, isFixed, floor, warnings };
}

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
