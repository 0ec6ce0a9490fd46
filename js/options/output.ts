/** Arrays that a batch is to write its results to. */

import { fieldsOf, isArrayOf, isDetached, reading } from '../checks.js';
import { affineCodec, planeBytes } from '../codecs/codec.js';
import { QuantizeError } from '../errors.js';
import type { BitWidth, ReusableOutput } from '../types.js';
import { isWeightArray } from '../weight-arrays.js';
import type { RawWeights } from '../wasm/module.js';
import type { Batch } from './batch.js';

/** Lengths of a layer's arrays. */
interface Lengths {
  readonly quantizedData: number;
  readonly groups: number;
}

/** What decides about lengths. */
type Form = Pick<Batch, 'groupSize' | 'symmetric' | 'output'>;

/**
 * Throws `output_mismatch` for arrays of the caller's that the results cannot be written to. A layer's may have the lengths that
 * any of its `widths` needs.
 */
export function checkReusable(
  layers: ReadonlyMap<string, RawWeights>,
  { groupSize, symmetric, output }: Form,
  widths: (layer: string) => readonly BitWidth[],
): void {
  if (output === undefined) return;
  reading('output_mismatch', () => {
    checkOutput(output, layers, (count, layer) => {
      const lengths = widths(layer).map((bits) => {
        const codec = affineCodec(bits, groupSize === 'tensor' ? 0 : groupSize, symmetric);
        return { quantizedData: planeBytes(codec, 0, count), groups: planeBytes(codec, 2, count) };
      });
      const given = output.get(layer)?.quantizedData.length;
      return lengths.find(({ quantizedData }) => quantizedData === given) ?? lengths[0] ?? NONE;
    });
  });
}

const NONE: Lengths = { quantizedData: 0, groups: 0 };

/** Memory of an array, and what happens to it. */
interface Extent {
  readonly layer: string;
  readonly written: boolean;
  readonly begin: number;
  readonly end: number;
}

/**
 * Throws `output_mismatch` unless the arrays of `output` have the types and lengths that the results of `weights` need,
 * and no memory in common with each other or with weights, which are still being read when the first results are written.
 */
function checkOutput(
  output: ReusableOutput,
  weights: ReadonlyMap<string, RawWeights>,
  lengthsOf: (weights: number, layer: string) => Lengths,
): void {
  const extents = new Map<ArrayBufferLike, Extent[]>();
  const note = (layer: string, written: boolean, { buffer, byteOffset, byteLength }: ArrayBufferView): void => {
    if (byteLength === 0) return;
    const known = extents.get(buffer) ?? [];
    known.push({ layer, written, begin: byteOffset, end: byteOffset + byteLength });
    extents.set(buffer, known);
  };
  for (const [layer, entry] of weights) {
    const data: unknown = isWeightArray(entry) ? entry : fieldsOf(entry)['data'];
    if (!isWeightArray(data)) throw new QuantizeError('invalid_weights', { layer });
    // The module says so, in the way that continueOnError asks for.
    if (isDetached(data)) continue;
    note(layer, false, data);
    if (!output.has(layer)) continue;
    for (const array of outputArrays(layer, output.get(layer), lengthsOf(data.length, layer))) note(layer, true, array);
  }
  for (const list of extents.values()) checkApart(list);
}

function outputArrays(layer: string, output: unknown, lengths: Lengths): ArrayBufferView[] {
  const { quantizedData, scales, zeroPoints } = fieldsOf(output);
  return [
    outputArray(layer, 'quantizedData', quantizedData, 'Uint8Array', lengths.quantizedData),
    outputArray(layer, 'scales', scales, 'Float32Array', lengths.groups),
    outputArray(layer, 'zeroPoints', zeroPoints, 'Uint8Array', lengths.groups),
  ];
}

function outputArray(
  layer: string,
  name: string,
  array: unknown,
  kind: 'Float32Array' | 'Uint8Array',
  length: number,
): ArrayBufferView {
  if (isArrayOf(array, kind) && array.length === length) return array;
  const detail = `${name} must be a ${kind} of ${String(length)} elements`;
  throw new QuantizeError('output_mismatch', { layer, detail });
}

/** Extents that are only read may overlap: layers may share their weights. */
function checkApart(extents: Extent[]): void {
  let reached = 0;
  let reachedByWritten = 0;
  for (const { layer, written, begin, end } of extents.sort((a, b) => a.begin - b.begin)) {
    if (begin < (written ? reached : reachedByWritten)) {
      throw new QuantizeError('output_mismatch', { layer, detail: 'their memory is also that of other arrays' });
    }
    reached = Math.max(reached, end);
    if (written) reachedByWritten = Math.max(reachedByWritten, end);
  }
}
