import type { TensorType } from '../../types.js';
import type { TypeChoice, TypeRequest } from '../decision.js';
import { fitting } from '../fallbacks.js';
import { BASE_TYPES, ggmlRank, isBlockType, rowWeights } from '../file-types.js';
import { keepingRule, type TensorDescription } from '../rule.js';
import type { PlacedTensor } from '../rulebook.js';
import { isDecoded, undecodedBecause } from '../type-rules.js';
import { SD_CPP_RULES } from './keeps.js';

/** Types that the program looks rows up in: a table of words in any other becomes F32 in its memory. */
const LOOKED_UP: ReadonlySet<TensorType> = new Set(['F32', 'F16', 'Q8_0', 'Q5_1', 'Q5_0', 'Q4_1', 'Q4_0']);
/** What takes their place. */
const FOR_WORDS: Readonly<Partial<Record<TensorType, TensorType>>> = { Q4_K: 'Q5_0', Q5_K: 'Q5_1', Q6_K: 'Q8_0' };
const WORDS = /(?:^|\.)(?:shared|token_embd|token_embedding|embed_tokens|llm_adapter\.embed)\.weight$/u;

const MATRIX = /weight$|experts\.\w+$/u;
const SMALLEST_BLOCK = 32;

/** Rows of a convolution are as short as its kernel is wide; the matrices of experts lie in one tensor, too. */
const isConvolution = ({ output: { name, shape } }: PlacedTensor): boolean =>
  MATRIX.test(name) && ggmlRank(shape) > 2 && rowWeights(shape) % SMALLEST_BLOCK !== 0;

/** Why what is known of the model's family keeps a tensor of this name in the input; null when nothing does. */
export type FamilyKeeps = (name: string) => string | null;

/** Why a tensor is never quantized; null when it may be. */
export function keptBecause(placed: PlacedTensor, familyKeeps: FamilyKeeps): string | null {
  const { tensor, output } = placed;
  if (!isDecoded(tensor)) return undecodedBecause(tensor.dtype);
  if (isConvolution(placed)) return 'convolution';
  // Which floats they are is no reason: all can be decoded.
  const kept = keepingRule(SD_CPP_RULES, { ...tensor, name: output.name, dtype: 'F32' });
  if (kept !== null) return kept.name;
  if (ggmlRank(output.shape) < 2) return 'rank below 2';
  return MATRIX.test(output.name) ? familyKeeps(tensor.name) : 'no weight';
}

/** What tensors become, all that is quantized the same type, as the program's own converter has it. */
export const sdCppTypes = (
  open: readonly PlacedTensor[],
  { target }: Pick<TypeRequest, 'target'>,
  familyKeeps: FamilyKeeps,
): ReadonlyMap<TensorDescription, TypeChoice> =>
  new Map(open.map((placed) => [placed.tensor, typeOf(placed, BASE_TYPES[target], familyKeeps)]));

function typeOf(placed: PlacedTensor, base: TensorType, familyKeeps: FamilyKeeps): TypeChoice {
  const { tensor, output } = placed;
  if (base === 'F32' && isDecoded(tensor)) return { type: 'F32', rule: 'all F32' };
  const kept = keptBecause(placed, familyKeeps);
  // Whatever a file has, the program computes convolutions with F16.
  if (kept === 'convolution') return { type: 'F16', rule: kept };
  const isTable = WORDS.test(output.name);
  if (kept !== null) {
    return isTable && tensor.dtype === 'BF16' ? { type: 'F16', rule: 'table of words' } : { type: 'keep', rule: kept };
  }
  const isForWords = isBlockType(base) && isTable && !LOOKED_UP.has(base);
  const chosen = isForWords
    ? { type: FOR_WORDS[base] ?? ('Q4_0' as const), rule: 'table of words' }
    : { type: base, rule: 'matrix' };
  const fits = fitting(chosen, output.shape);
  // Its converter leaves rows that fill no blocks at all.
  const isLeft = fits.insteadOf !== undefined && fits.type === 'F16';
  return isLeft ? { ...fits, type: 'keep', rule: `row of ${rowWeights(output.shape)}, no whole blocks` } : fits;
}
