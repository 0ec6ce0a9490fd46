import { QuantizeError } from '../errors.js';
import { WINDOW_WEIGHTS, type HeapWindow } from '../wasm/windows.js';
import type { StoredTensor } from './container.js';
import type { FileTools } from './convert-file.js';
import { decodeStretch } from './dequantize-tensor.js';
import type { ModelSource } from './io.js';
import { openModel } from './registry.js';
import { withFp8Scale } from './scaled-fp8.js';
import type { Stretch } from './tensor-windows.js';
import { readStretch, readableTensor } from './weight-source.js';

/** Elements of the flattened tensor; `end` undefined: to the last one. */
export interface ElementRange {
  readonly begin: number;
  readonly end: number | undefined;
}

/** A range that begins at a multiple of this can be decoded by itself: whole groups and blocks of every format. */
const ALIGNMENT = 256;

/** Reads elements of one tensor as f32, quantized ones as what they are restored to. */
export async function readTensor(
  { pool, files }: FileTools,
  source: ModelSource,
  name: string,
  { begin, end }: ElementRange,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const model = await openModel(await files.openSource(source, signal));
  try {
    const found = model.tensors.find((one) => one.name === name);
    if (found === undefined) throw new QuantizeError('missing_tensor', { file: model.name, layer: name });
    const tensor = await withFp8Scale(found, model);
    const last = end ?? tensor.elements;
    if (begin > last || last > tensor.elements) {
      const detail = `elements ${begin} to ${last} of a tensor with ${tensor.elements}`;
      throw new QuantizeError('invalid_option', { layer: name, detail });
    }
    const window = await pool.acquire(signal);
    try {
      return await readRange(tensor, begin, last, window, signal);
    } finally {
      window.release();
    }
  } finally {
    await model.close();
  }
}

async function readRange(
  tensor: StoredTensor,
  begin: number,
  end: number,
  window: HeapWindow,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const values = arrayOf(end - begin, tensor.name);
  const start = begin - (begin % ALIGNMENT);
  for (let first = start; first < end; first += WINDOW_WEIGHTS) {
    if (signal?.aborted === true) throw new QuantizeError('aborted', { cause: signal.reason });
    // Whole groups and blocks, even where fewer elements are wanted; a tensor ends with the last of them.
    const most = Math.ceil((end - start) / ALIGNMENT) * ALIGNMENT + start;
    const weights = Math.min(WINDOW_WEIGHTS, Math.min(most, tensor.elements) - first);
    const bytes = await restoreStretch(window, tensor, { index: 0, first, weights });
    const restored = new Float32Array(bytes.buffer, bytes.byteOffset, weights);
    const from = Math.max(begin, first);
    values.set(restored.subarray(from - first, Math.min(end, first + weights) - first), from - begin);
  }
  return values;
}

function arrayOf(elements: number, layer: string): Float32Array {
  try {
    return new Float32Array(elements);
  } catch (cause) {
    const detail = `${elements} elements do not fit into one array here; ask for fewer at a time, with begin and end`;
    throw new QuantizeError('out_of_memory', { layer, detail, cause });
  }
}

/** The stretch's values as f32; the view lies in the window. */
export async function restoreStretch(window: HeapWindow, tensor: StoredTensor, stretch: Stretch): Promise<Uint8Array> {
  if (tensor.storage.kind === 'affine') {
    return (await decodeStretch(window, tensor.storage, stretch, 'F32', tensor.name)).floats;
  }
  const readable = readableTensor(tensor);
  await readStretch(readable, window, stretch);
  return (await window.encode(stretch.weights, readable.source, { kind: 'float', type: 'F32' }, false)).packed;
}
