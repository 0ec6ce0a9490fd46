import type { TensorType } from '../types.js';
import type { TypeChoice } from './decision.js';
import { BLOCK_WEIGHTS, holdsRows, rowWeights } from './file-types.js';

/** What stands in for a type of longer blocks in llama.cpp, with blocks of 32. For Q1_0 and NVFP4 it has nothing, and stops. */
const SUBSTITUTES: Readonly<Partial<Record<TensorType, TensorType>>> = {
  ...{ IQ1_S: 'IQ4_NL', IQ1_M: 'IQ4_NL', IQ2_XXS: 'IQ4_NL', IQ2_XS: 'IQ4_NL', IQ2_S: 'IQ4_NL' },
  ...{ IQ3_XXS: 'IQ4_NL', IQ3_S: 'IQ4_NL', IQ4_XS: 'IQ4_NL' },
  ...{ Q1_0: 'Q4_0', Q2_0: 'Q4_0', TQ1_0: 'Q4_0', TQ2_0: 'Q4_0', NVFP4: 'Q4_0' },
  ...{ Q2_K: 'Q4_0', Q3_K: 'Q4_0', Q4_K: 'Q5_0', Q5_K: 'Q5_1', Q6_K: 'Q8_0' },
};

/**
 * The choice itself, or what llama.cpp takes where rows are no whole number of the type's blocks: the next type of 32
 * weights, and F16 where those are too long as well.
 */
export function fitting(
  { type, rule }: { readonly type: TensorType; readonly rule: string },
  shape: readonly number[],
  label = '',
): TypeChoice {
  if (holdsRows(type, shape)) return { type, rule };
  const substitute = SUBSTITUTES[type] ?? 'F16';
  const fits = holdsRows(substitute, shape) ? substitute : 'F16';
  const why = `row of ${rowWeights(shape)}, no whole blocks of ${BLOCK_WEIGHTS[type]}: ${fits}`;
  return { type: fits, rule: `${label}${why}`, insteadOf: type };
}
