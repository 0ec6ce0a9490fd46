import { DIFFUSION_RULES } from './diffusion/rules.js';
import { GENERAL_RULES } from './general.js';
import type { TensorRule } from './rule.js';

/** Which tensors stay unquantized, by mode of the quantizer. */
export const PRESETS: Readonly<Record<'diffusion' | 'base', readonly TensorRule[]>> = {
  diffusion: DIFFUSION_RULES,
  base: GENERAL_RULES,
};
