import type { TensorType } from '../types.js';
import type { TypeChoice, TypeRequest } from './decision.js';
import { BASE_TYPES, ggmlRank, isBlockType, rowWeights } from './file-types.js';
import { detectFamily, type Detected } from './diffusion/detect.js';
import { familyKeeps } from './diffusion/kept.js';
import { DiffusionMixture } from './diffusion/mixture.js';
import { DIFFUSION_RULES } from './diffusion/rules.js';
import { fitting } from './fallbacks.js';
import { keepingRule } from './rule.js';
import { asItIs, type PlacedTensor, type Rulebook } from './rulebook.js';
import { isDecoded, undecodedBecause } from './type-rules.js';

/**
 * What becomes of a model that no program is known to open: what stays precise in diffusion models of any kind, and what its
 * family keeps where that is known, keeps its type. The mixtures know attention values and feed-forward outputs by their usual
 * names.
 */
export function generalRulebook({ target, pure, tensors }: TypeRequest): Rulebook {
  const family = detectFamily(tensors);
  return {
    prefix: '',
    leftOutBecause: () => null,
    outputOf: asItIs,
    keptBecause: (placed) => keptBecause(placed, family),
    typesOf: (open) => {
      const mixture = pure ? null : new DiffusionMixture(target);
      const base = BASE_TYPES[target];
      return new Map(
        open.map((placed): [PlacedTensor['tensor'], TypeChoice] => {
          const { tensor, output } = placed;
          if (isDecoded(tensor) && target === 'F32') return [tensor, { type: 'F32', rule: 'all F32' }];
          const kept = keptBecause(placed, family);
          if (kept !== null) return [tensor, { type: 'keep', rule: kept }];
          const isMixed = isBlockType(base) && mixture !== null;
          return [tensor, orKept(isMixed ? mixture.next(output.name) : { type: base, rule: 'matrix' }, output.shape)];
        }),
      );
    },
  };
}

/** What has fewer, and is no `weight`, is a parameter of a module's own, such as tokens that are learned. */
const FEWEST_ROWS = 256;

function keptBecause({ tensor, output }: PlacedTensor, family: Detected | null): string | null {
  if (!isDecoded(tensor)) return undecodedBecause(tensor.dtype);
  if (!output.name.endsWith('weight') && tensor.elements / rowWeights(output.shape) < FEWEST_ROWS) return 'no weight';
  // Which floats they are is no reason: all can be decoded.
  const kept = keepingRule(DIFFUSION_RULES, { ...tensor, dtype: 'F32' });
  if (kept !== null) return kept.name;
  return ggmlRank(output.shape) < 2 ? 'rank below 2' : familyKeeps(family, tensor.name);
}

/** Rows that fill no blocks at all are those of convolutions, mostly: nothing is gained by other floats. */
function orKept(chosen: { readonly type: TensorType; readonly rule: string }, shape: readonly number[]): TypeChoice {
  const fits = fitting(chosen, shape);
  const isFloat = typeof fits.insteadOf === 'string' && fits.type === 'F16';
  return isFloat ? { type: 'keep', rule: `row of ${rowWeights(shape)}, no whole blocks` } : fits;
}
