import type { ModelSource } from '../io/byte-io.js';
import type { Tensor } from '../layouts/tensor.js';
import { compareFiles, ownTensors, type FileComparison, type Progress } from '../models/compare.js';
import { checkReadable } from '../models/factors.js';
import type { Model } from '../models/model.js';
import { part } from '../part.js';
import type { FileTools } from '../pipeline/tools.js';

/**
 * Compares two models as `compareFiles` does; a checkpoint and a GGUF that has none of its names by those that a GGUF of the
 * checkpoint has, and by the values under them.
 */
export const compareNamed = (
  tools: FileTools,
  a: ModelSource,
  b: ModelSource,
  progress: Progress,
): Promise<FileComparison> =>
  compareFiles(tools, a, b, progress, async (model, other) =>
    (await isMadeInto(model, other)) ? convertedBeside(model, other, tools) : ownTensors(model),
  );

async function isMadeInto(model: Model, gguf: Model): Promise<boolean> {
  if (gguf.carried?.container !== 'gguf' || model.carried !== null) return false;
  const names = new Set(model.tensors.map(({ name }) => name));
  if (gguf.tensors.some(({ name }) => names.has(name))) return false;
  const { isCheckpoint } = await part(() => import('../checkpoints/recognize.js'));
  return isCheckpoint(model);
}

async function convertedBeside(model: Model, gguf: Model, tools: FileTools): Promise<readonly Tensor[]> {
  const { convertedTensors } = await part(() => import('../checkpoints/open.js'));
  const converted = await convertedTensors(model, tools);
  checkReadable(converted);
  const shapes = new Map(gguf.tensors.map(({ name, shape }) => [name, shape]));
  // llama.cpp's quantizer writes leading extents of 1 away; the converter does not.
  return converted.map((tensor) => {
    const shape = shapes.get(tensor.name);
    return shape !== undefined && isAlike(shape, tensor.shape) ? { ...tensor, shape } : tensor;
  });
}

const isAlike = (one: readonly number[], other: readonly number[]): boolean =>
  String(withoutOnes(one)) === String(withoutOnes(other));

function withoutOnes(shape: readonly number[]): readonly number[] {
  const begin = shape.findIndex((extent) => extent !== 1);
  return begin === -1 ? [] : shape.slice(begin);
}
