import { QuantizeError } from '../errors.js';
import { WINDOW_WEIGHTS } from '../wasm/windows.js';
import type { StoredTensor } from '../containers/container.js';
import type { FileTools } from '../convert/convert-file.js';
import { decodeStretch, inputOfAffine } from '../convert/dequantize-tensor.js';
import type { ModelSource } from '../io/byte-io.js';
import { Pipeline, type Piece } from '../convert/pipeline.js';
import { openModel } from '../containers/registry.js';
import { withFp8Scale } from '../plan/scaled-fp8.js';
import type { Stretch } from '../convert/tensor-windows.js';
import { inputOfStretch, readableTensor } from '../convert/weight-source.js';

/** Elements of the flattened tensor; `end` undefined: to the last one. */
export interface ElementRange {
  readonly begin: number;
  readonly end: number | undefined;
}

/** A range that begins at a multiple of this can be decoded by itself: whole groups and blocks of every format. */
const ALIGNMENT = 256;

/** Reads elements of one tensor as f32, quantized ones as what they are restored to. */
export async function readTensor(
  tools: FileTools,
  source: ModelSource,
  name: string,
  { begin, end }: ElementRange,
): Promise<Float32Array> {
  const model = await openModel(await tools.files.openSource(source, tools.signal));
  try {
    const found = model.tensors.find((one) => one.name === name);
    if (found === undefined) throw new QuantizeError('missing_tensor', { file: model.name, layer: name });
    const tensor = await withFp8Scale(found, model);
    const last = end ?? tensor.elements;
    if (begin > last || last > tensor.elements) {
      const detail = `elements ${begin} to ${last} of a tensor with ${tensor.elements}`;
      throw new QuantizeError('invalid_option', { layer: name, detail });
    }
    const values = await readRange(tensor, begin, last, tools);
    for (const one of model.sources) await one.checkUnchanged();
    return values;
  } finally {
    await model.close();
  }
}

async function readRange(tensor: StoredTensor, begin: number, end: number, tools: FileTools): Promise<Float32Array> {
  const values = arrayOf(end - begin, tensor.name);
  const pipeline = new Pipeline(tools);
  const start = begin - (begin % ALIGNMENT);
  // Whole groups and blocks, even where fewer elements are wanted; a tensor ends with the last of them.
  const most = Math.min(Math.ceil((end - start) / ALIGNMENT) * ALIGNMENT + start, tensor.elements);
  try {
    for (let first = start; first < end; first += WINDOW_WEIGHTS) {
      const weights = Math.min(WINDOW_WEIGHTS, most - first);
      const piece = restoringPiece(tensor, { index: 0, first, weights }, (restored) => {
        const from = Math.max(begin, first);
        values.set(restored.subarray(from - first, Math.min(end, first + weights) - first), from - begin);
      });
      await pipeline.start(piece);
    }
    await pipeline.drain();
    return values;
  } catch (error) {
    tools.fail(error);
    await pipeline.settle();
    throw pipeline.cause(error);
  }
}

function arrayOf(elements: number, layer: string): Float32Array {
  try {
    return new Float32Array(elements);
  } catch (cause) {
    const detail = `${elements} elements do not fit into one array here; ask for fewer at a time, with begin and end`;
    throw new QuantizeError('out_of_memory', { layer, detail, cause });
  }
}

/** Reads and restores a stretch as f32. What `take` gets lies in a window, and is to be copied at once. */
export function restoringPiece(tensor: StoredTensor, stretch: Stretch, take: (values: Float32Array) => void): Piece {
  const { storage, name } = tensor;
  const taking = ({ buffer, byteOffset }: Uint8Array): void => {
    take(new Float32Array(buffer, byteOffset, stretch.weights));
  };
  if (storage.kind === 'affine') {
    return {
      input: inputOfAffine(storage, stretch),
      work: async (window) => {
        taking((await decodeStretch(window, storage, stretch, 'F32', name)).floats);
      },
    };
  }
  const readable = readableTensor(tensor);
  return {
    input: inputOfStretch(readable, stretch),
    work: async (window) => {
      taking((await window.encode(stretch.weights, readable.source, { kind: 'float', type: 'F32' }, false)).packed);
    },
  };
}
