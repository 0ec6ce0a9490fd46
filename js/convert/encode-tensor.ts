import { isArrayOf, isDetached } from '../checks.js';
import { codecNamed, needsRows, planeBytes, type Codec } from '../codecs/codec.js';
import { QuantizeError } from '../errors.js';
import { cutsOf, stretchesOf, stretchUnit, type Stretch } from '../pipeline/stretches.js';
import type { FileTools } from '../pipeline/tools.js';
import { rowOptions, whyNotSearched, type Searched } from '../plan/importance.js';
import { rowWeights } from '../rules/file-types.js';
import type { LeasedWindow } from '../wasm/windows.js';
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

/**
 * Encodes a stretch of an array into its places in `made`, which has the bytes of all of the tensor's planes. Errors have an index
 * that counts from the tensor's first weight.
 */
export async function encodeStretch(
  window: LeasedWindow,
  { data, codec, shape, importance, effort }: TensorToEncode,
  stretch: Stretch,
  made: readonly Uint8Array[],
): Promise<void> {
  const { first, weights } = stretch;
  if (isDetached(data)) throw new QuantizeError('detached_buffer');
  const source = { codec: codecNamed(isArrayOf(data, 'Float32Array') ? 'F32' : 'F16') };
  const width = data.BYTES_PER_ELEMENT;
  const bytes = new Uint8Array(data.buffer, data.byteOffset + first * width, weights * width);
  window.input(weights, source.codec)[0]?.set(bytes);
  const rows = rowOptions({ importance, shape, elements: data.length }, stretch);
  const { planes } = await window.transcode(weights, source, codec, { effort, ...rows }).catch((error: unknown) => {
    throw placed(error, first);
  });
  cutsOf(codec, stretch).forEach(({ begin }, plane) => {
    made[plane]?.set(planes[plane] ?? [], begin);
  });
}

/** An error of a window, with an index that counts from the tensor's first weight. */
function placed(error: unknown, first: number): unknown {
  if (!(error instanceof QuantizeError) || error.index === undefined) return error;
  const { code, index, detail } = error;
  return new QuantizeError(code, { index: first + index, cause: error, ...(detail !== undefined && { detail }) });
}
