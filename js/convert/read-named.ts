import { withOwnFactors } from '../models/factors.js';
import { readTensor, type ElementRange } from '../models/read-tensor.js';
import type { Model } from '../models/model.js';
import { part } from '../part.js';
import type { FileTools } from '../pipeline/tools.js';

/**
 * Reads elements of one tensor of a model as f32, quantized ones as what they are restored to; of a checkpoint also those that a
 * GGUF of it has, by their names there.
 */
export async function readNamed(
  tools: FileTools,
  model: Model,
  name: string,
  range: ElementRange,
): Promise<Float32Array> {
  return readTensor(tools, await modelWith(name, model, tools), name, range);
}

async function modelWith(name: string, model: Model, tools: FileTools): Promise<Model> {
  if ((await withOwnFactors(name, model)) !== undefined) return model;
  const { isCheckpoint } = await part(() => import('../checkpoints/recognize.js'));
  if (!(await isCheckpoint(model))) return model;
  const { convertedTensors } = await part(() => import('../checkpoints/open.js'));
  return { ...model, tensors: await convertedTensors(model, tools) };
}
