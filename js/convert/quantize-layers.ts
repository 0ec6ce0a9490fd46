/** Batches that weigh columns or measure what layers lose: by way of windows, as files are. */

import { QuantizeError, asQuantizeError, quoted } from '../errors.js';
import type { FileTools } from '../pipeline/tools.js';
import { whyNotSearched } from '../plan/importance.js';
import type { BatchWarning, ProgressCallback, QuantizedLayer } from '../types.js';
import type { WeightArray } from '../weight-arrays.js';
import { workInTurns } from './layers/in-turns.js';
import { affineOf, LayerWork, type GivenLayer } from './layers/layer.js';
import type { LayerOptions } from './layers/options.js';

/** Layers that were quantized, why others were not, and what is to be said of them. */
export interface QuantizedLayers {
  readonly made: Map<string, QuantizedLayer>;
  readonly failures: Map<string, QuantizeError>;
  readonly warnings: readonly BatchWarning[];
}

/**
 * Quantizes layers, which are in the order of their names. Rejects, or with `continueOnError` fails in a layer, with `not_finite`,
 * `detached_buffer` and `below_min_cosine`; rejects with `invalid_option` for importance that does not fit a layer, before
 * anything is read.
 */
export async function quantizeLayers(
  tools: FileTools,
  given: readonly GivenLayer[],
  options: LayerOptions,
  progress: ProgressCallback | null | undefined,
): Promise<QuantizedLayers> {
  if (progress !== null && progress !== undefined && typeof progress !== 'function')
    throw new QuantizeError('invalid_option', { detail: 'the progress callback is no function' });
  checkImportance(given, options);
  const layers = layersOf(given, options);
  await workInTurns(tools, layers, options, progress);
  const made = layers.flatMap((layer): [string, QuantizedLayer][] => {
    const result = layer.result();
    return result === null ? [] : [[layer.name, result]];
  });
  const failures = new Map(
    layers.flatMap(({ name, failure }) => (failure === null ? [] : [[name, inLayer(failure.error, name)] as const])),
  );
  const [first] = failures.values();
  if (first !== undefined && !options.continueOnError) throw first;
  return { made: new Map(made), failures, warnings: [...options.warnings, ...warningsOf(layers)] };
}

const warningsOf = (layers: readonly LayerWork[]): readonly BatchWarning[] =>
  layers.flatMap((layer) => {
    const why = layer.failure === null ? layer.shortfall() : null;
    if (why === null) return [];
    const { name } = layer;
    return [{ code: 'below_min_cosine', layer: name, message: `layer ${quoted(name)} is kept, though ${why}` }];
  });

/** Throws `invalid_option` for importance of no layer, or that does not fit its layer. */
function checkImportance(given: readonly GivenLayer[], options: LayerOptions): void {
  const { importance, effort, bits } = options;
  const names = new Set(given.map(({ name }) => name));
  const unknown = [...(importance?.keys() ?? [])].find((name) => !names.has(name));
  if (unknown !== undefined) {
    const detail = `importance is given for ${quoted(unknown)}, but there is no layer of that name`;
    throw new QuantizeError('invalid_option', { layer: unknown, detail });
  }
  for (const { name, data, shape, failure } of given) {
    const searched = { shape, elements: data.length, importance: importance?.get(name), effort };
    const why = failure === undefined ? whyNotSearched(affineOf(bits, options), searched) : null;
    if (why === null) continue;
    const detail = `the layer ${quoted(name)} cannot be made so: ${why}`;
    throw new QuantizeError('invalid_option', { layer: name, detail });
  }
}

/** Gives the caller's buffers up where that is wanted. */
function layersOf(given: readonly GivenLayer[], options: LayerOptions): readonly LayerWork[] {
  const successors = options.transfer ? transferred(given.map(({ data }) => data)) : [];
  return given.map((layer, index) => new LayerWork({ ...layer, data: successors[index] ?? layer.data }, options));
}

/** Arrays of the same weights, whose buffers the caller has no longer; what cannot be transferred stays where it is. */
function transferred(arrays: readonly WeightArray[]): readonly WeightArray[] {
  // A view on a detached buffer has forgotten where it lay.
  const places = arrays.map((array) => ({ array, at: array.byteOffset, length: array.length, before: array.buffer }));
  const successors = new Map<ArrayBufferLike, ArrayBufferLike>();
  for (const { before } of places) if (!successors.has(before)) successors.set(before, successorOf(before));
  return places.map(({ array, at, length, before }) => {
    const Type = array.constructor as new (buffer: ArrayBufferLike, at: number, length: number) => WeightArray;
    const after = successors.get(before) ?? before;
    return after === before ? array : new Type(after, at, length);
  });
}

function successorOf(buffer: ArrayBufferLike): ArrayBufferLike {
  try {
    return structuredClone(buffer, { transfer: [buffer as ArrayBuffer] });
  } catch {
    // Shared memory, that of a WebAssembly.Memory, Node's pool.
    return buffer;
  }
}

function inLayer(error: unknown, layer: string): QuantizeError {
  const { code, index, detail } = asQuantizeError(error, 'internal');
  return new QuantizeError(code, {
    ...{ layer, cause: error },
    ...(index !== undefined && { index }),
    ...(detail !== undefined && { detail }),
  });
}
