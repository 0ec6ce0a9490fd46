/**
 * What llama.cpp makes of each tensor of a language model, without an importance matrix: the decisions of its
 * `llama_model_quantize`, type by type. Where that gives up, at a tensor of experts whose name tells no block, the count
 * of such tensors stands in for the block.
 */

import type { FileType, TensorType } from '../../types.js';
import type { TypeChoice, TypeRequest } from '../decision.js';
import { fitting } from '../fallbacks.js';
import { BASE_TYPES, isBlockType, holdsRows } from '../file-types.js';
import type { LanguageModel } from './model.js';
import { blockOf, categoryOf, compareTensors, keptBecause, type Category } from './tensors.js';
import type { TensorDescription } from '../rule.js';
import { isDecoded, undecodedBecause } from '../type-rules.js';

/** Mixtral's kind; the bumps for few large experts go by exactly this number. */
const EIGHT_EXPERTS = 8;
const MANY_QUERY_HEADS = 4;

/** The first and last eighth of the blocks, and every third in between. */
function deservesMoreBits(block: number, blocks: number): boolean {
  const eighth = Math.floor(blocks / 8);
  return block < eighth || block >= Math.floor((7 * blocks) / 8) || (block - eighth) % 3 === 2;
}

/** A matrix to choose a type for. */
interface Matrix {
  readonly shape: readonly number[];
  readonly model: LanguageModel;
  readonly target: FileType;
  /** What most matrices become. */
  readonly base: TensorType;
  /** How many of its category came before it; for `ffn_down` of experts the block. */
  readonly block: number;
}

function outputType({ base, shape, model }: Matrix): TensorType {
  if (model.architecture === 'falcon' || !holdsRows(base, shape)) return 'Q8_0';
  return base === 'Q8_0' ? 'Q8_0' : 'Q6_K';
}

function attentionValueMixture({ target, base, model, block }: Matrix): TensorType {
  const sharesHeads = model.queryHeadsPerKeyHead >= MANY_QUERY_HEADS;
  switch (target) {
    case 'Q2_K':
      return sharesHeads ? 'Q4_K' : 'Q3_K';
    case 'Q3_K_M':
      return block < 2 ? 'Q5_K' : 'Q4_K';
    case 'Q3_K_L':
      return 'Q5_K';
    case 'IQ4_NL':
    case 'IQ4_XS':
      return sharesHeads ? 'Q5_K' : base;
    case 'Q4_K_M':
    case 'Q5_K_M':
      return deservesMoreBits(block, model.attentionValues) ? 'Q6_K' : base;
    case 'Q4_K_S':
      return block < 4 ? 'Q5_K' : base;
    default:
      return base;
  }
}

function attentionValueType(matrix: Matrix): TensorType {
  if (matrix.model.experts === EIGHT_EXPERTS) return 'Q8_0';
  const type = attentionValueMixture(matrix);
  return matrix.model.isSeventyB && (type === 'Q3_K' || type === 'Q4_K') ? 'Q5_K' : type;
}

function falconFeedForwardType({ target, base, block, model: { blocks } }: Matrix): TensorType {
  const isFirst = block < Math.floor(blocks / 16);
  const more = deservesMoreBits(block, blocks);
  if (target === 'Q3_K_M') return isFirst ? 'Q5_K' : more ? 'Q4_K' : 'Q3_K';
  if (target === 'Q3_K_L') return 'Q4_K';
  return target === 'Q4_K_M' ? (isFirst ? 'Q6_K' : more ? 'Q5_K' : 'Q4_K') : base;
}

function feedForwardType(matrix: Matrix): TensorType {
  const { target, base, block, model } = matrix;
  const isFirstEighth = block < Math.floor(model.blocks / 8);
  switch (target) {
    case 'Q2_K':
      return 'Q3_K';
    case 'Q3_K_M':
    case 'Q3_K_L':
    case 'Q4_K_M':
      if (model.architecture === 'falcon') return falconFeedForwardType(matrix);
      if (target === 'Q3_K_L') return 'Q5_K';
      if (target === 'Q3_K_M') return block < Math.floor(model.blocks / 16) ? 'Q5_K' : 'Q4_K';
      return deservesMoreBits(block, model.blocks) ? 'Q6_K' : base;
    case 'Q5_K_M':
      return deservesMoreBits(block, model.blocks) ? 'Q6_K' : base;
    case 'IQ4_NL':
    case 'IQ4_XS':
      return isFirstEighth ? 'Q5_K' : base;
    case 'Q4_K_S':
      return isFirstEighth && model.architecture !== 'falcon' ? 'Q5_K' : base;
    default:
      return base;
  }
}

/** Types that attn_output gets more bits than, where the experts are eight. */
const EIGHT_EXPERTS_Q5_K: readonly FileType[] = ['Q2_K', 'Q3_K_S', 'Q3_K_M', 'IQ4_NL', 'Q4_K_S', 'Q4_K_M', 'IQ4_XS'];

function attentionOutputType({ target, base, model }: Matrix): TensorType {
  if (model.architecture === 'falcon') return target === 'Q3_K_L' ? 'Q4_K' : base;
  if (model.experts === EIGHT_EXPERTS) return EIGHT_EXPERTS_Q5_K.includes(target) ? 'Q5_K' : base;
  if (target === 'Q2_K') return 'Q3_K';
  if (target === 'Q3_K_M') return 'Q4_K';
  return target === 'Q3_K_L' ? 'Q5_K' : base;
}

function mixtureType(category: Category, matrix: Matrix): TensorType {
  switch (category) {
    case 'output':
      return outputType(matrix);
    case 'token_embd':
      return matrix.model.hasTiedEmbeddings ? outputType(matrix) : matrix.base;
    case 'attn_v':
    case 'attn_qkv':
    case 'attn_kv_b':
      return attentionValueType(matrix);
    case 'attn_k':
      return matrix.model.experts === EIGHT_EXPERTS ? 'Q8_0' : matrix.base;
    case 'attn_output':
      return attentionOutputType(matrix);
    case 'ffn_down':
      return feedForwardType(matrix);
    case 'other':
      return matrix.base;
  }
}

/** How many tensors of a category have been given a type. */
class Counters {
  readonly #counts = new Map<string, number>();

  /** The number before this one. */
  next(category: string): number {
    const index = this.#counts.get(category) ?? 0;
    this.#counts.set(category, index + 1);
    return index;
  }
}

/** The number that the bumps go by: attention values of all kinds have one count, `ffn_down` another. */
function blockFor(tensor: TensorDescription, category: Category, model: LanguageModel, counters: Counters): number {
  if (category === 'ffn_down') {
    const index = counters.next(category);
    const named = blockOf(tensor.name);
    return model.experts > 1 && named >= 0 ? named : index;
  }
  return ['attn_v', 'attn_qkv', 'attn_kv_b'].includes(category) ? counters.next('attn_v') : 0;
}

function labelOf(category: Category, type: TensorType, base: TensorType, model: LanguageModel): string {
  if (category === 'output') return 'output';
  if (category === 'token_embd' && model.hasTiedEmbeddings) return 'token embedding, tied to the output';
  return type === base ? 'matrix' : `${category}: more bits`;
}

function choose(
  tensor: TensorDescription,
  { target, pure }: TypeRequest,
  model: LanguageModel,
  counters: Counters,
): TypeChoice {
  const kept = keptBecause(tensor);
  if (kept !== null) return { type: 'keep', rule: kept };
  if (!isDecoded(tensor)) return { type: 'keep', rule: undecodedBecause(tensor.dtype) };
  const base = BASE_TYPES[target];
  if (!isBlockType(base)) return { type: base, rule: 'matrix' };
  if (pure) return fitting({ type: base, rule: 'matrix' }, tensor.shape);
  const category = categoryOf(tensor.name);
  const block = blockFor(tensor, category, model, counters);
  const type = mixtureType(category, { shape: tensor.shape, model, target, base, block });
  return fitting({ type, rule: labelOf(category, type, base, model) }, tensor.shape);
}

/**
 * By tensor, what it becomes in a file of the type `target`. Those in `settled` are not asked for and, as in llama.cpp,
 * do not count among the blocks of their category.
 */
export function languageTypes(
  request: TypeRequest,
  model: LanguageModel,
  settled: ReadonlySet<TensorDescription>,
): ReadonlyMap<TensorDescription, TypeChoice> {
  const counters = new Counters();
  const inOrder = request.tensors.filter((tensor) => !settled.has(tensor)).sort(compareTensors);
  return new Map(inOrder.map((tensor) => [tensor, choose(tensor, request, model, counters)]));
}
