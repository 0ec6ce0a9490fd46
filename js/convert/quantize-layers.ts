/** Batches that weigh columns: by way of windows, as files are, which know rows. */

import { isDetached } from '../checks.js';
import { affineCodec, planeBytes, type Codec } from '../codecs/codec.js';
import { QuantizeError, abortError, asQuantizeError, quoted } from '../errors.js';
import { callSafely } from '../pipeline/callbacks.js';
import { stretchesOf, type Stretch } from '../pipeline/stretches.js';
import type { FileTools } from '../pipeline/tools.js';
import { whyNotSearched, type Importance } from '../plan/importance.js';
import type { BitWidth, GroupSize, ProgressCallback, QuantizedLayer, ReusableOutput } from '../types.js';
import type { LeasedWindow } from '../wasm/windows.js';
import type { WeightArray } from '../weight-arrays.js';
import { encodeStretch, type TensorToEncode } from './encode-tensor.js';

/** A layer that has been read, or why it could not be. */
export interface GivenLayer {
  readonly name: string;
  readonly data: WeightArray;
  readonly shape: readonly number[];
  readonly failure?: QuantizeError;
}

/** How to quantize layers; as BatchOptions has it. */
export interface LayerOptions {
  readonly bits: BitWidth;
  readonly groupSize: GroupSize;
  readonly symmetric: boolean;
  /** Place in EFFORTS. */
  readonly effort: number;
  readonly importance: Importance | null;
  readonly continueOnError: boolean;
  readonly transfer: boolean;
  readonly output: ReusableOutput | undefined;
}

type Planes = Pick<QuantizedLayer, 'quantizedData' | 'scales' | 'zeroPoints'>;

/** Layers that were quantized, and why others were not. */
export interface QuantizedLayers {
  readonly made: Map<string, QuantizedLayer>;
  readonly failures: Map<string, QuantizeError>;
}

/** A layer on its way. */
interface Layer {
  readonly name: string;
  readonly shape: readonly number[];
  readonly planes: Planes;
  readonly stretches: readonly Stretch[];
  /** Null when it is done. */
  tensor: TensorToEncode | null;
  /** Stretches that are not done. */
  left: number;
  /** The failure of the first stretch that has failed, and its index. */
  failure: { readonly index: number; readonly error: unknown } | null;
}

/**
 * Quantizes layers, which are in the order of their names. Rejects, or with `continueOnError` fails in a layer, with `not_finite`
 * and `detached_buffer`; rejects with `invalid_option` for importance that does not fit a layer, before anything is read.
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
  await encodeLayers(tools, layers, options, progress);
  const { bits: bitWidth, groupSize, symmetric } = options;
  const made = layers.flatMap(({ name, shape, planes, failure }): [string, QuantizedLayer][] =>
    failure === null ? [[name, { ...planes, shape: [...shape], bitWidth, groupSize, symmetric }]] : [],
  );
  const failures = new Map(
    layers.flatMap(({ name, failure }) => (failure === null ? [] : [[name, inLayer(failure.error, name)] as const])),
  );
  const [first] = failures.values();
  if (first !== undefined && !options.continueOnError) throw first;
  return { made: new Map(made), failures };
}

const codecOf = ({ bits, groupSize, symmetric }: LayerOptions): Codec =>
  affineCodec(bits, groupSize === 'tensor' ? 0 : groupSize, symmetric);

/** Throws `invalid_option` for importance of no layer, or that does not fit its layer. */
function checkImportance(given: readonly GivenLayer[], options: LayerOptions): void {
  const { importance, effort } = options;
  const names = new Set(given.map(({ name }) => name));
  const unknown = [...(importance?.keys() ?? [])].find((name) => !names.has(name));
  if (unknown !== undefined) {
    const detail = `importance is given for ${quoted(unknown)}, but there is no layer of that name`;
    throw new QuantizeError('invalid_option', { layer: unknown, detail });
  }
  for (const { name, data, shape, failure } of given) {
    const searched = { shape, elements: data.length, importance: importance?.get(name), effort };
    const why = failure === undefined ? whyNotSearched(codecOf(options), searched) : null;
    if (why === null) continue;
    const detail = `the layer ${quoted(name)} cannot be made so: ${why}`;
    throw new QuantizeError('invalid_option', { layer: name, detail });
  }
}

/** Gives the caller's buffers up where that is wanted. */
function layersOf(given: readonly GivenLayer[], options: LayerOptions): readonly Layer[] {
  const { importance, effort, transfer, output } = options;
  const codec = codecOf(options);
  const successors = transfer ? transferred(given.map(({ data }) => data)) : [];
  return given.map(({ name, data: before, shape, failure }, index): Layer => {
    const data = successors[index] ?? before;
    const stretches = data.length === 0 ? [] : stretchesOf(data.length);
    const tensor = { data, shape, codec, importance: importance?.get(name), effort };
    return {
      ...{ name, shape, stretches, left: stretches.length, tensor },
      planes: planesFor(codec, data.length, output?.get(name)),
      failure: failure === undefined ? null : { index: 0, error: failure },
    };
  });
}

const planesFor = (codec: Codec, weights: number, given: Partial<Planes> | undefined): Planes => ({
  quantizedData: given?.quantizedData ?? new Uint8Array(planeBytes(codec, 0, weights)),
  scales: given?.scales ?? new Float32Array(planeBytes(codec, 1, weights) / Float32Array.BYTES_PER_ELEMENT),
  zeroPoints: given?.zeroPoints ?? new Uint8Array(planeBytes(codec, 2, weights)),
});

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

/** Until all are done, or one has failed after which nothing is to go on. Progress is told in the order of the layers. */
async function encodeLayers(
  { pool, signal }: FileTools,
  layers: readonly Layer[],
  { continueOnError }: LayerOptions,
  progress: ProgressCallback | null | undefined,
): Promise<void> {
  const tasks = layers.flatMap((layer) => layer.stretches.map((stretch) => ({ layer, stretch }))).values();
  const isOver = (): boolean => !continueOnError && layers.some(({ failure }) => failure !== null);
  let told = 0;
  const tell = (): void => {
    for (const { name, left, failure } of layers.slice(told)) {
      if (signal.aborted || left > 0 || (failure !== null && !continueOnError)) return;
      told += 1;
      callSafely(progress, name, told / layers.length);
    }
  };
  // Tasks are taken in order, so that all before one that fails have been begun, too.
  const runner = async (): Promise<void> => {
    for (const { layer, stretch } of tasks) {
      if (isOver()) return;
      await pool
        .lease((window) => encodeLayer(window, layer, stretch), { signal })
        .catch((error: unknown) => {
          if (signal.aborted) throw error;
          const { index } = stretch;
          if (layer.failure === null || index < layer.failure.index) layer.failure = { index, error };
        });
      layer.left -= 1;
      if (layer.left === 0) layer.tensor = null;
      tell();
    }
  };
  await Promise.all(Array.from({ length: pool.count }, runner));
  tell();
  if (signal.aborted) throw abortError(signal.reason);
}

async function encodeLayer(window: LeasedWindow, { tensor, planes }: Layer, stretch: Stretch): Promise<void> {
  if (tensor === null) return;
  const { quantizedData, scales, zeroPoints } = planes;
  try {
    const bytes = new Uint8Array(scales.buffer, scales.byteOffset, scales.byteLength);
    await encodeStretch(window, tensor, stretch, [quantizedData, bytes, zeroPoints]);
  } catch (error) {
    // Arrays of the caller's may have gone meanwhile.
    throw Object.values(planes).some(isDetached) ? new QuantizeError('detached_buffer') : error;
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
