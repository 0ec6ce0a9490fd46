import { isFloat } from '../codecs/codec.js';
import { QuantizeError } from '../errors.js';
import { byName, fileBytes, storageLabel, type Tensor } from '../layouts/tensor.js';
import { withFactors } from './factors.js';
import type { Model } from './model.js';

export interface InspectedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** As in TensorReport: `F16`, `int4 g128`; of a GGUF's type that is not known, `ggml type 99`. */
  readonly type: string;
  /** Element type of the values; for a quantized tensor, what it was before, and for one that cannot be decoded its type. */
  readonly dtype: string;
  readonly elements: number;
  /** In a GGUF, those of a tensor of an unknown type go up to the next tensor. */
  readonly bytes: number;
}

/** What a model file holds. */
export interface Inspection {
  readonly file: string;
  /** Name of the file format. */
  readonly container: string;
  /** The files that it consists of; of a sharded model the index is the first. */
  readonly files: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  /** In sorted name order. */
  readonly tensors: readonly InspectedTensor[];
  readonly elements: number;
  /** Bytes of the tensors, headers not counted. */
  readonly bytes: number;
}

/**
 * What an opened model holds, `file` being its name: quantized weights as what they are restored to, or, where nothing can
 * be made of them, as they lie there.
 */
export async function inspectionOf(model: Model, file: string): Promise<Inspection> {
  const tensors = (await shownTensors(model))
    .map((tensor): InspectedTensor => {
      const { name, shape, dtype, elements, codec } = tensor;
      const type = storageLabel(tensor);
      const ofValues = codec === null || isFloat(codec) ? (codec?.name ?? type) : dtype;
      return { name, shape, type, dtype: ofValues, elements, bytes: fileBytes(tensor) };
    })
    .sort(byName);
  return {
    file,
    container: model.container,
    files: model.sources.map(({ name }) => name),
    metadata: Object.fromEntries(model.texts),
    tensors,
    elements: tensors.reduce((count, { elements }) => count + elements, 0),
    bytes: tensors.reduce((count, { bytes }) => count + bytes, 0),
  };
}

async function shownTensors(model: Model): Promise<readonly Tensor[]> {
  try {
    return (await withFactors(model, { foreign: 'keep' })).tensors;
  } catch (error) {
    if (error instanceof QuantizeError && error.code === 'invalid_file') return model.tensors;
    throw error;
  }
}
