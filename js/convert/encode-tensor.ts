import { isArrayOf, isDetached } from '../checks.js';
import { codecNamed, needsRows, planeBytes, type Codec } from '../codecs/codec.js';
import { QuantizeError } from '../errors.js';
import { cutsOf, stretchesOf, stretchUnit, type Stretch } from '../pipeline/stretches.js';
import type { FileTools } from '../pipeline/tools.js';
import { rowOptions, whyNotSearched, type Searched } from '../plan/importance.js';
import { rowWeights } from '../rules/file-types.js';
import type { LeasedWindow, SourceCodec, TranscodedWindow, TranscodeOptions } from '../wasm/windows.js';
import type { WeightArray } from '../weight-arrays.js';

/** A tensor's weights in an array, and the blocks that they are to become. */
export interface TensorToEncode extends Omit<Searched, 'elements'> {
  readonly data: WeightArray;
  readonly codec: Codec;
}

/**
 * Encodes an array by way of windows, which know rows. Rejects with `invalid_option` for what the codec cannot do; of several
 * failures it tells the first one's place.
 */
export async function encodeTensor({ pool, signal }: FileTools, tensor: TensorToEncode): Promise<Uint8Array> {
  const { data, codec, shape } = tensor;
  const elements = data.length;
  const why = whyNotSearched(codec, { ...tensor, elements });
  if (why !== null) throw new QuantizeError('invalid_option', { detail: `the weights cannot be encoded so: ${why}` });
  const blocks = new Uint8Array(planeBytes(codec, 0, elements));
  const unit = needsRows(codec, tensor) ? stretchUnit(codecNamed('F32'), rowWeights(shape)) : 1;
  const stretches = stretchesOf(elements, unit).values();
  const failures: { readonly index: number; readonly error: unknown }[] = [];
  // They are taken in order, so that all before one that fails have been begun, too.
  const runner = async (): Promise<void> => {
    for (const stretch of stretches) {
      if (failures.length > 0) return;
      const encode = (window: LeasedWindow): Promise<void> => encodeStretch(window, tensor, stretch, [blocks]);
      await pool.lease(encode, { signal }).catch((error: unknown) => {
        failures.push({ index: stretch.index, error });
      });
    }
  };
  await Promise.all(Array.from({ length: pool.count }, runner));
  const [first] = failures.sort((a, b) => a.index - b.index);
  if (first !== undefined) throw first.error;
  return blocks;
}

/** Encodes a stretch of an array into its places in `made`, which has the bytes of all of the tensor's planes. */
async function encodeStretch(
  window: LeasedWindow,
  tensor: TensorToEncode,
  stretch: Stretch,
  made: readonly Uint8Array[],
): Promise<void> {
  const source = putStretch(window, tensor.data, stretch);
  const { planes } = await encodePut(window, source, tensor, stretch);
  takePlanes(planes, tensor.codec, stretch, made);
}

/** Copies a stretch of an array into the window, and tells what it is there. Throws `detached_buffer`. */
export function putStretch(window: LeasedWindow, data: WeightArray, { first, weights }: Stretch): SourceCodec {
  if (isDetached(data)) throw new QuantizeError('detached_buffer');
  const codec = codecNamed(isArrayOf(data, 'Float32Array') ? 'F32' : 'F16');
  const width = data.BYTES_PER_ELEMENT;
  const bytes = new Uint8Array(data.buffer, data.byteOffset + first * width, weights * width);
  window.input(weights, codec)[0]?.set(bytes);
  return { codec };
}

/**
 * Encodes what `putStretch` has put into the window, where it stays. Errors have an index that counts from the tensor's first
 * weight.
 */
export function encodePut(
  window: LeasedWindow,
  source: SourceCodec,
  { data, codec, shape, importance, effort }: TensorToEncode,
  stretch: Stretch,
  options: Pick<TranscodeOptions, 'measure' | 'range'> = {},
): Promise<TranscodedWindow> {
  const rows = rowOptions({ importance, shape, elements: data.length }, stretch);
  const how = { effort, ...rows, ...options };
  return placing(stretch, () => window.transcode(stretch.weights, source, codec, how));
}

/** Copies a stretch's planes into their places in `made`. */
export function takePlanes(
  planes: readonly Uint8Array[],
  codec: Codec,
  stretch: Stretch,
  made: readonly Uint8Array[],
): void {
  cutsOf(codec, stretch).forEach(({ begin }, plane) => {
    made[plane]?.set(planes[plane] ?? [], begin);
  });
}

/** Errors of a window get an index that counts from the tensor's first weight. */
export async function placing<Value>({ first }: Stretch, work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    throw placed(error, first);
  }
}

/** An error of a window, with an index that counts from the tensor's first weight. */
function placed(error: unknown, first: number): unknown {
  if (!(error instanceof QuantizeError) || error.index === undefined) return error;
  const { code, index, detail } = error;
  return new QuantizeError(code, { index: first + index, cause: error, ...(detail !== undefined && { detail }) });
}
