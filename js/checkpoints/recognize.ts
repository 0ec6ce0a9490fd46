import { QuantizeError, quoted } from '../errors.js';
import { readModelConfig } from '../models/model-config.js';
import type { Model } from '../models/model.js';
import type { FileTypeQuantization } from '../plan/file-type.js';
import { detectFamily } from '../rules/diffusion/detect.js';
import type { CheckpointOptions } from './checkpoint.js';

/**
 * Whether a model is in the layout of transformers: config.json beside it says what it is. A diffusion model has rules of its
 * own, whatever lies beside it.
 */
export async function isCheckpoint(model: Model): Promise<boolean> {
  if (model.hasFinalNames || model.carried !== null || detectFamily(model.tensors) !== null) return false;
  const config = await readModelConfig(model.companions);
  if (config === null) return false;
  const { architectures, model_type: type } = config;
  return typeof type === 'string' || (Array.isArray(architectures) && architectures.length > 0);
}

/** Why a file of that kind is not made as one of a checkpoint; null where it is. */
export async function whyNoCheckpoint(
  model: Model,
  { architecture, program }: Pick<FileTypeQuantization, 'architecture' | 'program'>,
): Promise<string | null> {
  if (architecture !== null) return `architecture is ${quoted(architecture)}`;
  if (program === 'sd.cpp') return 'the GGUF is for stable-diffusion.cpp';
  if (await isCheckpoint(model)) return null;
  return `${quoted(model.name)} is no model in the layout of transformers, with a config.json beside it`;
}

/**
 * Throws `invalid_option` where one of the options was given and the output has no use for it; `why` says of what it is none.
 * Returns the pairs that GGUFs may get, too.
 */
export function refuseOptions(
  options: CheckpointOptions,
  { carried }: Pick<Model, 'carried'>,
  why: string,
): CheckpointOptions['keyValues'] {
  const { via, name, pre, chatTemplate, keyValues } = options;
  const [unusable] = carried === null ? keyValues : [];
  const given = { via, name, pre, chatTemplate: chatTemplate ? null : false, keyValues: unusable ?? null };
  const [option] = Object.entries(given).find(([, value]) => value !== null) ?? [];
  if (option === undefined) return keyValues;
  throw new QuantizeError('invalid_option', { detail: `${option} has no meaning, because ${why}; leave it out` });
}
