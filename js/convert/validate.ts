import { affineCodec, planeBytes, type Codec } from '../codecs/codec.js';
import { QuantizeError, abortError } from '../errors.js';
import type { ModelSource } from '../io/byte-io.js';
import type { Progress } from '../models/compare.js';
import { validationOf, type Compared, type Validation } from '../models/validation.js';
import { callSafely } from '../pipeline/callbacks.js';
import { metricsOf } from '../pipeline/metrics.js';
import { cutsOf, stretchesOf, type Stretch } from '../pipeline/stretches.js';
import type { FileTools } from '../pipeline/tools.js';
import type { RawQuantizedLayer } from '../wasm/module.js';
import type { LeasedWindow, WindowComparison } from '../wasm/windows.js';
import { compareNamed } from './compare-named.js';
import { putStretch } from './encode-tensor.js';
import type { GivenLayer } from './layers/layer.js';

/** What is to be validated: two models, or layers and what they have become. */
export type Sides =
  | { readonly original: ModelSource; readonly quantized: ModelSource }
  | { readonly layers: readonly GivenLayer[]; readonly made: ReadonlyMap<string, RawQuantizedLayer> };

/** Validates what is on the second side against the first. */
export async function validate(
  tools: FileTools,
  sides: Sides,
  { minCosine, progress }: { readonly minCosine: number; readonly progress: Progress },
): Promise<Validation> {
  const compared =
    'layers' in sides
      ? await compareLayers(tools, sides.layers, sides.made, progress)
      : await compareNamed(tools, sides.original, sides.quantized, progress);
  return validationOf(compared, minCosine);
}

type Outcome = { readonly equal: boolean; readonly cosine: number | null } | 'missing' | 'reshaped';

/** One after the other: each is spread over all threads. */
async function compareLayers(
  tools: FileTools,
  layers: readonly GivenLayer[],
  made: ReadonlyMap<string, RawQuantizedLayer>,
  progress: Progress,
): Promise<Compared> {
  const outcomes: (readonly [GivenLayer, Outcome])[] = [];
  for (const layer of layers) {
    outcomes.push([layer, await compareLayer(tools, layer, made.get(layer.name))]);
    if (!tools.signal.aborted) callSafely(progress, layer.name, outcomes.length / layers.length);
  }
  if (tools.signal.aborted) throw abortError(tools.signal.reason);
  const named = (wanted: Outcome): string[] =>
    outcomes.flatMap(([{ name }, outcome]) => (outcome === wanted ? [name] : []));
  return {
    tensors: outcomes.flatMap(([{ name }, outcome]) => (typeof outcome === 'string' ? [] : [{ name, ...outcome }])),
    reshaped: named('reshaped').map((name) => ({ name })),
    onlyInA: named('missing'),
    bytesA: layers.reduce((sum, { data }) => sum + data.byteLength, 0),
    bytesB: layers.reduce((sum, { name }) => sum + bytesOf(made.get(name)), 0),
  };
}

const planesOf = ({ quantizedData, scales, zeroPoints }: RawQuantizedLayer): readonly Uint8Array[] => [
  quantizedData,
  new Uint8Array(scales.buffer, scales.byteOffset, scales.byteLength),
  zeroPoints,
];

const bytesOf = (layer: RawQuantizedLayer | undefined): number =>
  layer === undefined ? 0 : planesOf(layer).reduce((sum, { byteLength }) => sum + byteLength, 0);

async function compareLayer(
  { pool, signal }: FileTools,
  { name, data, shape }: GivenLayer,
  made: RawQuantizedLayer | undefined,
): Promise<Outcome> {
  if (made === undefined) return 'missing';
  if (String(made.shape) !== String(shape)) return 'reshaped';
  const codec = affineCodec(made.bitWidth, made.groupSize, made.symmetric);
  const planes = planesOf(made);
  if (planes.some(({ length }, plane) => length !== planeBytes(codec, plane, data.length)))
    throw new QuantizeError('shape_mismatch', { layer: name });
  const stretches = data.length === 0 ? [] : stretchesOf(data.length);
  const compare = (stretch: Stretch): Promise<WindowComparison> =>
    pool.lease((window) => compareStretch(window, data, { codec, planes, stretch }), { signal });
  const parts = await Promise.all(stretches.map(compare)).catch((error: unknown) => {
    throw signal.aborted ? error : ofLayer(name, error);
  });
  const isFinite = parts.every(({ finite }) => finite);
  return {
    equal: parts.every(({ equal }) => equal),
    cosine: isFinite
      ? metricsOf(
          parts.map(({ error }) => error),
          data.length,
        ).cosine
      : null,
  };
}

interface Quantized {
  readonly codec: Codec;
  readonly planes: readonly Uint8Array[];
  readonly stretch: Stretch;
}

async function compareStretch(
  window: LeasedWindow,
  data: GivenLayer['data'],
  { codec, planes, stretch }: Quantized,
): Promise<WindowComparison> {
  const source = putStretch(window, data, stretch);
  const views = window.output(stretch.weights, codec);
  cutsOf(codec, stretch).forEach(({ begin, bytes }, plane) => {
    views[plane]?.set(planes[plane]?.subarray(begin, begin + bytes) ?? []);
  });
  return window.compare(stretch.weights, source, { codec });
}

/** Planes that no encoder writes are here no fault of a file. */
function ofLayer(layer: string, error: unknown): unknown {
  if (!(error instanceof QuantizeError)) return error;
  const { code, detail } = error;
  const about = { layer, cause: error, ...(detail !== undefined && { detail }) };
  return new QuantizeError(code === 'invalid_file' ? 'invalid_weights' : code, about);
}
