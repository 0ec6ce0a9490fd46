import type { FileType } from '../types.js';
import type { OutputForm, TypeChoice } from './decision.js';
import { BLOCK_WEIGHTS, BASE_TYPES, ggmlRank, holdsRows, isBlockType, rowWeights } from './file-types.js';
import type { DiffusionMixture } from './diffusion/types.js';
import { GENERAL_RULES } from './general.js';
import { keepingRule, type TensorDescription } from './rule.js';
import { isDecoded, undecodedBecause } from './type-rules.js';

/**
 * What becomes of a tensor of a model that no family's rules are for. What is not quantized keeps its type. `mixture`
 * knows attention values and feed-forward outputs by their usual names; it is null for a pure file.
 */
export function generalType(
  tensor: TensorDescription,
  output: OutputForm,
  target: FileType,
  mixture: DiffusionMixture | null,
): TypeChoice {
  if (!isDecoded(tensor)) return { type: 'keep', rule: undecodedBecause(tensor.dtype) };
  if (target === 'F32') return { type: 'F32', rule: 'all F32' };
  // Which floats they are is no reason: all can be decoded.
  const kept = keepingRule(GENERAL_RULES, { ...tensor, dtype: 'F32' });
  if (kept !== null) return { type: 'keep', rule: kept.name };
  if (ggmlRank(output.shape) < 2) return { type: 'keep', rule: 'rank below 2' };
  const base = BASE_TYPES[target];
  const fits = holdsRows(base, output.shape);
  const chosen =
    isBlockType(base) && fits && mixture !== null ? mixture.next(output.name) : { type: base, rule: 'matrix' };
  if (holdsRows(chosen.type, output.shape)) return chosen;
  return { type: 'keep', rule: `row of ${rowWeights(output.shape)}, no whole blocks of ${BLOCK_WEIGHTS[chosen.type]}` };
}
