/**
 * What llama.cpp makes of each tensor of a language model: the decisions of its `llama_model_quantize`, type by type, with an
 * importance matrix and without. Where that gives up, at a tensor of experts whose name tells no block, the count of such
 * tensors stands in for the block.
 */

import { codecBytes, codecNamed } from '../../codecs/codec.js';
import type { TensorType } from '../../types.js';
import type { TypeChoice, TypeRequest } from '../decision.js';
import { fitting } from '../fallbacks.js';
import { BASE_TYPES, BLOCK_WEIGHTS, isBlockType } from '../file-types.js';
import type { TensorDescription } from '../rule.js';
import type { PlacedTensor } from '../rulebook.js';
import { isDecoded, undecodedBecause } from '../type-rules.js';
import { mixtureType } from './mixtures.js';
import type { LanguageModel } from './model.js';
import { blockOf, categoryOf, compareTensors, isAttentionValue, keptBecause, type Category } from './tensors.js';

/** How many tensors of a category have been given a type. */
class Counters {
  readonly #counts = new Map<string, number>();

  /** The number before this one. */
  next(category: Category): number {
    const counted = isAttentionValue(category) ? 'attn_v' : category;
    const index = this.#counts.get(counted) ?? 0;
    this.#counts.set(counted, index + 1);
    return index;
  }
}

/** Experts' matrices lie in no order in some files: llama.cpp goes by the names of these. */
const NAMED_BLOCKS: readonly Category[] = ['ffn_up', 'ffn_gate', 'ffn_down'];

function blockFor(name: string, category: Category, count: number, { experts }: LanguageModel): number {
  const named = experts > 1 && NAMED_BLOCKS.includes(category) ? blockOf(name) : -1;
  return named >= 0 ? named : count;
}

const bitsPerWeight = (type: TensorType): number =>
  codecBytes(codecNamed(type), BLOCK_WEIGHTS[type]) / BLOCK_WEIGHTS[type];

function labelOf(category: Category, type: TensorType, base: TensorType, model: LanguageModel): string {
  if (category === 'output') return 'output';
  if (category === 'token_embd' && model.hasTiedEmbeddings) return 'token embedding, tied to the output';
  if (type === base) return 'matrix';
  const role = category === 'other' ? 'matrix' : category;
  return `${role}: ${bitsPerWeight(type) < bitsPerWeight(base) ? 'fewer' : 'more'} bits`;
}

function choose(
  { tensor, output: { name, shape } }: PlacedTensor,
  { target, pure, hasImportance }: TypeRequest,
  model: LanguageModel,
  counters: Counters,
): TypeChoice {
  const kept = keptBecause({ ...tensor, name, shape });
  if (kept !== null) return { type: 'keep', rule: kept };
  if (!isDecoded(tensor)) return { type: 'keep', rule: undecodedBecause(tensor.dtype) };
  const base = BASE_TYPES[target];
  if (!isBlockType(base)) return { type: base, rule: 'matrix' };
  if (pure) return fitting({ type: base, rule: 'matrix' }, shape);
  const category = categoryOf(name);
  const count = counters.next(category);
  const block = blockFor(name, category, count, model);
  const type = mixtureType(category, { shape, model, target, hasImportance, base, count, block });
  return fitting({ type, rule: labelOf(category, type, base, model) }, shape);
}

/**
 * By tensor, what those of `open` become in a file of the type `target`. Others do not count among the blocks of their
 * category, as in llama.cpp.
 */
export function languageTypes(
  open: readonly PlacedTensor[],
  request: TypeRequest,
  model: LanguageModel,
): ReadonlyMap<TensorDescription, TypeChoice> {
  const counters = new Counters();
  const inOrder = request.keepsOrder ? open : [...open].sort((a, b) => compareTensors(a.output, b.output));
  return new Map(inOrder.map((placed) => [placed.tensor, choose(placed, request, model, counters)]));
}
