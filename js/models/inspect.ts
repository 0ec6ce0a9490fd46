import { endpointName } from '../endpoints.js';
import { storedBytes } from '../containers/container.js';
import type { FileAccess, ModelSource } from '../io/byte-io.js';
import { openModel } from '../containers/registry.js';
import { byName, storageLabel } from '../plan/report.js';

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

/** Reads what the model at `source` holds, without its weights. Rejects with a `QuantizeError`. */
export async function inspectFile(files: FileAccess, source: ModelSource, signal?: AbortSignal): Promise<Inspection> {
  const model = await openModel(await files.openSource(source, signal));
  await model.close();
  const tensors = model.tensors
    .map((tensor) => {
      const { name, shape, dtype, elements, storage } = tensor;
      const type = storageLabel(tensor);
      const ofValues = storage.kind === 'opaque' ? type : dtype;
      return { name, shape, type, dtype: ofValues, elements, bytes: storedBytes(storage) };
    })
    .sort(byName);
  return {
    file: endpointName(source),
    container: model.container,
    files: model.sources.map(({ name }) => name),
    metadata: Object.fromEntries(model.metadata),
    tensors,
    elements: tensors.reduce((count, { elements }) => count + elements, 0),
    bytes: tensors.reduce((count, { bytes }) => count + bytes, 0),
  };
}
