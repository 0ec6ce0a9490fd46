/** Rows of which no kernel of the package can restore the levels: their zero points are no whole numbers from 0 to 255. */

import { isDetached } from '../checks.js';
import { QuantizeError, asQuantizeError } from '../errors.js';
import { Pace } from '../io/pace.js';
import type { RawQuantizedLayer } from '../wasm/module.js';

/** Weights that take some milliseconds. */
const STRETCH = 1 << 19;

/**
 * Restores a layer that has a byte for each level: (level - zero point) · scale, both steps rounded to f32. The event loop has its
 * turn before every stretch. Rejects with `shape_mismatch`, `aborted`, `detached_buffer` and `out_of_memory`.
 */
export async function restoreFractions(
  layer: RawQuantizedLayer,
  zeroPoints: Float32Array,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  checkLengths(layer, zeroPoints);
  const { quantizedData, scales } = layer;
  const restored = roomFor(quantizedData.length);
  const groupSize = layer.groupSize === 0 ? restored.length : layer.groupSize;
  const pace = new Pace(signal);
  for (let begin = 0; begin < restored.length; begin += STRETCH) {
    await pace.turn();
    // In the turns others run; what they transfer would be read as zeros.
    if (isDetached(quantizedData) || isDetached(scales)) throw new QuantizeError('detached_buffer');
    const end = Math.min(begin + STRETCH, restored.length);
    for (let at = begin; at < end; ++at) {
      const group = Math.floor(at / groupSize);
      const level = Math.fround((quantizedData[at] ?? 0) - (zeroPoints[group] ?? 0));
      restored[at] = level * (scales[group] ?? 0);
    }
  }
  return restored;
}

function checkLengths({ quantizedData, scales, shape, groupSize }: RawQuantizedLayer, zeroPoints: Float32Array): void {
  const weights = shape.reduce((product, size) => product * size, 1);
  const groups = groupSize === 0 ? Math.min(weights, 1) : Math.ceil(weights / groupSize);
  if (quantizedData.length === weights && scales.length === groups && zeroPoints.length === groups) return;
  const lengths = [quantizedData.length, scales.length, zeroPoints.length].map(String).join(', ');
  const detail = `${lengths} levels, scales and zero points against the shape [${shape.join(', ')}]`;
  throw new QuantizeError('shape_mismatch', { detail });
}

function roomFor(weights: number): Float32Array {
  try {
    return new Float32Array(weights);
  } catch (error) {
    throw asQuantizeError(error, 'out_of_memory');
  }
}
