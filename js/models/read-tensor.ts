import { codecNamed } from '../codecs/codec.js';
import { QuantizeError } from '../errors.js';
import { sourceOf, storageLabel, type CodedTensor, type Tensor } from '../layouts/tensor.js';
import { Pipeline, type PipelineTools } from '../pipeline/pipeline.js';
import { inputOfStretch, locating, sourceCodecOf } from '../pipeline/stretches.js';
import type { FileTools } from '../pipeline/tools.js';
import { WINDOW_WEIGHTS } from '../wasm/windows.js';
import { checkUnchanged, type Model } from './model.js';
import { withOwnFactors } from './factors.js';

/** Elements of the flattened tensor; `end` undefined: to the last one. */
export interface ElementRange {
  readonly begin: number;
  readonly end: number | undefined;
}

/** A range that begins at a multiple of this can be decoded by itself: whole groups and blocks of every codec. */
const ALIGNMENT = 256;
const F32 = codecNamed('F32');

/** Reads elements of one tensor as f32, quantized ones as what they are restored to. */
export async function readTensor(
  tools: FileTools,
  model: Model,
  name: string,
  { begin, end }: ElementRange,
): Promise<Float32Array> {
  const found = await withOwnFactors(name, model);
  if (found === undefined) throw new QuantizeError('missing_tensor', { file: model.name, layer: name });
  const tensor = decodable(found);
  const last = end ?? tensor.elements;
  if (begin > last || last > tensor.elements) {
    const detail = `elements ${begin} to ${last} of a tensor with ${tensor.elements}`;
    throw new QuantizeError('invalid_option', { layer: name, detail });
  }
  const values = await decodeRange(tensor, begin, last, tools);
  await checkUnchanged(model);
  return values;
}

/** Throws `unsupported_dtype` for a tensor that the kernels cannot read. */
function decodable(tensor: Tensor): CodedTensor {
  if (tensor.codec !== null) return tensor;
  const advice = 'it can be copied into a file of the same format, but not decoded';
  const about = { file: sourceOf(tensor).name, layer: tensor.name, detail: storageLabel(tensor), advice };
  throw new QuantizeError('unsupported_dtype', about);
}

/** The values of elements of a tensor, in f32. */
export async function decodeRange(
  tensor: CodedTensor,
  begin: number,
  end: number,
  tools: PipelineTools,
): Promise<Float32Array> {
  const values = arrayOf(end - begin, tensor.name);
  const start = begin - (begin % ALIGNMENT);
  // Whole groups and blocks, even where fewer elements are wanted; a tensor ends with the last of them.
  const most = Math.min(Math.ceil((end - start) / ALIGNMENT) * ALIGNMENT + start, tensor.elements);
  await Pipeline.run(tools, async (pipeline) => {
    for (let first = start; first < end; first += WINDOW_WEIGHTS) {
      const weights = Math.min(WINDOW_WEIGHTS, most - first);
      await pipeline.start({
        input: inputOfStretch(tensor, { index: 0, first, weights }),
        work: async (window) => {
          const { planes } = await locating(tensor, first, () => window.transcode(weights, sourceCodecOf(tensor), F32));
          const restored = floatsOf(planes[0] ?? new Uint8Array());
          const from = Math.max(begin, first);
          values.set(restored.subarray(from - first, Math.min(end, first + weights) - first), from - begin);
        },
      });
    }
  });
  return values;
}

const floatsOf = ({ buffer, byteOffset, byteLength }: Uint8Array): Float32Array =>
  new Float32Array(buffer, byteOffset, byteLength / 4);

function arrayOf(elements: number, layer: string): Float32Array {
  try {
    return new Float32Array(elements);
  } catch (cause) {
    const detail = `${elements} elements do not fit into one array here; ask for fewer at a time, with begin and end`;
    throw new QuantizeError('out_of_memory', { layer, detail, cause });
  }
}
