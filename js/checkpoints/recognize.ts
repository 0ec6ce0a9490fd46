import { readModelConfig } from '../models/model-config.js';
import type { Model } from '../models/model.js';
import { detectFamily } from '../rules/diffusion/detect.js';

/**
 * Whether a model is in the layout of transformers: config.json beside it says what it is. A diffusion model has rules of its
 * own, whatever lies beside it.
 */
export async function isCheckpoint(model: Model): Promise<boolean> {
  if (model.hasFinalNames || model.carried !== null) return false;
  const config = await readModelConfig(model.companions);
  if (config === null) return false;
  const { architectures, model_type: type } = config;
  const isSaid = typeof type === 'string' || (Array.isArray(architectures) && architectures.length > 0);
  return isSaid && detectFamily(model.tensors) === null;
}
