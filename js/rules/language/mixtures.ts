/** Which matrices of a language model get other types than most, by type of file: as llama.cpp's quantizer has it. */

import type { FileType, TensorType } from '../../types.js';
import { holdsRows } from '../file-types.js';
import type { LanguageModel } from './model.js';
import { isAttentionValue, type Category } from './tensors.js';

/** A matrix to choose a type for. */
export interface Matrix {
  readonly shape: readonly number[];
  readonly model: LanguageModel;
  readonly target: FileType;
  readonly hasImportance: boolean;
  /** What most matrices become. */
  readonly base: TensorType;
  /** How many of its category came before it: attention values of all kinds are one. */
  readonly count: number;
  /** The same; but for feed-forward matrices of experts the block that the name tells. */
  readonly block: number;
}

type ByFileType = Readonly<Partial<Record<FileType, TensorType>>>;

/** Mixtral's kind; the bumps for few large experts go by exactly this number. */
const EIGHT_EXPERTS = 8;
const MANY_QUERY_HEADS = 4;
const MANY_EXPERTS = 4;

/** The first and last eighth of the blocks, and every third in between. */
function deservesMoreBits(block: number, blocks: number): boolean {
  const eighth = Math.floor(blocks / 8);
  return block < eighth || block >= Math.floor((7 * blocks) / 8) || (block - eighth) % 3 === 2;
}

const isFirstEighth = ({ block, model }: Matrix): boolean => block < Math.floor(model.blocks / 8);

const isFirstSixteenth = ({ block, model }: Matrix): boolean => block < Math.floor(model.blocks / 16);

const sharesHeads = ({ model }: Matrix): boolean => model.queryHeadsPerKeyHead >= MANY_QUERY_HEADS;

/** Where the output gets less than Q6_K. */
const OUTPUTS: ByFileType = {
  ...{ IQ1_S: 'Q5_K', IQ1_M: 'Q5_K', IQ2_XXS: 'Q5_K', IQ2_XS: 'Q5_K', IQ2_S: 'Q5_K', IQ2_M: 'Q5_K', IQ3_XXS: 'Q5_K' },
  ...{ MXFP4_MOE: 'Q8_0', Q8_0: 'Q8_0' },
};

function outputType({ target, base, shape, model }: Matrix): TensorType {
  if (model.architecture === 'falcon' || !holdsRows(base, shape)) return 'Q8_0';
  return OUTPUTS[target] ?? 'Q6_K';
}

/** Token embeddings that no output shares. */
const EMBEDDINGS: ByFileType = {
  ...{
    IQ1_S: 'Q2_K',
    IQ1_M: 'Q2_K',
    IQ2_XXS: 'Q2_K',
    IQ2_XS: 'Q2_K',
    IQ2_S: 'IQ3_S',
    IQ2_M: 'IQ3_S',
    IQ3_XXS: 'IQ3_S',
  },
  ...{ TQ1_0: 'Q4_K', TQ2_0: 'Q4_K', Q2_0: 'Q4_K' },
};

/** In Bailing's third generation other tensors than experts have three dimensions, too. */
const STACKED_BESIDES_EXPERTS = 'bailingmoe3';
const FEED_FORWARD: readonly Category[] = ['ffn_up', 'ffn_gate', 'ffn_down'];

function expertsType(category: Category, { shape, model }: Matrix): TensorType {
  const isStacked = (shape.at(-3) ?? 1) > 1;
  const areExperts = model.architecture !== STACKED_BESIDES_EXPERTS || FEED_FORWARD.includes(category);
  return isStacked && areExperts ? 'MXFP4' : 'Q8_0';
}

/** What matters more in files of about two bits or less: attention values, and the first matrices behind the feed-forward. */
const FEW_BITS: ByFileType = {
  ...{ IQ1_S: 'Q2_K', IQ1_M: 'Q2_K', IQ2_XXS: 'Q2_K', IQ2_XS: 'Q2_K', IQ2_S: 'IQ3_S', IQ2_M: 'IQ3_S' },
};
const FEW_BITS_ATTENTION_OUTPUT: ByFileType = { IQ1_S: 'IQ2_XXS', IQ1_M: 'IQ2_XXS', IQ2_S: 'IQ3_S', IQ2_M: 'IQ3_S' };

function fewBitsType(category: Category, matrix: Matrix, raised: TensorType): TensorType {
  const { target, base, count, model } = matrix;
  if (isAttentionValue(category)) return sharesHeads(matrix) || model.experts >= MANY_EXPERTS ? 'Q4_K' : raised;
  switch (category) {
    case 'attn_k':
      return model.experts === EIGHT_EXPERTS ? 'Q4_K' : base;
    case 'ffn_down':
      return count < Math.floor(model.blocks / 8) ? raised : base;
    case 'attn_output':
      return model.experts === EIGHT_EXPERTS ? 'Q5_K' : (FEW_BITS_ATTENTION_OUTPUT[target] ?? base);
    default:
      return base;
  }
}

function attentionValueMixture(matrix: Matrix): TensorType {
  const { target, hasImportance, base, model, count } = matrix;
  switch (target) {
    case 'Q2_K':
      return sharesHeads(matrix) ? 'Q4_K' : 'Q3_K';
    case 'Q2_K_S':
    case 'IQ3_XS':
    case 'IQ3_S':
      return sharesHeads(matrix) ? 'Q4_K' : base;
    case 'IQ3_XXS':
      return sharesHeads(matrix) ? 'Q4_K' : hasImportance ? base : 'IQ3_S';
    case 'IQ3_M':
      return 'Q4_K';
    case 'Q3_K_M':
      return count < 2 ? 'Q5_K' : 'Q4_K';
    case 'Q3_K_L':
      return 'Q5_K';
    case 'IQ4_NL':
    case 'IQ4_XS':
      return sharesHeads(matrix) ? 'Q5_K' : base;
    case 'Q4_K_M':
    case 'Q5_K_M':
      return deservesMoreBits(count, model.attentionValues) ? 'Q6_K' : base;
    case 'Q4_K_S':
      return count < 4 ? 'Q5_K' : base;
    default:
      return base;
  }
}

function attentionValueType(matrix: Matrix): TensorType {
  if (matrix.model.experts === EIGHT_EXPERTS) return 'Q8_0';
  const type = attentionValueMixture(matrix);
  return matrix.model.isSeventyB && (type === 'Q3_K' || type === 'Q4_K') ? 'Q5_K' : type;
}

/** Where keys and queries get less than the other matrices. */
const KEYS_AND_QUERIES: ByFileType = { IQ3_XS: 'IQ3_XXS', IQ3_XXS: 'IQ2_S' };

function falconFeedForwardType(matrix: Matrix): TensorType {
  const { target, base, block, model } = matrix;
  const isFirst = isFirstSixteenth(matrix);
  const more = deservesMoreBits(block, model.blocks);
  if (target === 'Q3_K_M') return isFirst ? 'Q5_K' : more ? 'Q4_K' : 'Q3_K';
  if (target === 'Q3_K_L') return 'Q4_K';
  return target === 'Q4_K_M' ? (isFirst ? 'Q6_K' : more ? 'Q5_K' : 'Q4_K') : base;
}

/** Types whose first eighth of `ffn_down` gets another one, without importance and with it. */
const FIRST_DOWN: ByFileType = { Q2_K_S: 'Q4_K', IQ4_NL: 'Q5_K', IQ4_XS: 'Q5_K', IQ3_M: 'Q4_K', Q4_K_S: 'Q5_K' };
const FIRST_DOWN_WEIGHED: ByFileType = { Q2_K_S: 'Q4_K', Q4_0: 'Q4_1', Q5_0: 'Q5_1', IQ3_M: 'Q4_K', Q4_K_S: 'Q5_K' };

function downType(matrix: Matrix): TensorType {
  const { target, hasImportance, base, block, model } = matrix;
  const isFalcon = model.architecture === 'falcon';
  switch (target) {
    case 'Q2_K':
      return 'Q3_K';
    case 'IQ3_XXS':
      return hasImportance ? base : isFirstEighth(matrix) ? 'Q4_K' : 'Q3_K';
    case 'Q3_K_M':
    case 'Q3_K_L':
    case 'Q4_K_M':
      if (isFalcon) return falconFeedForwardType(matrix);
      if (target === 'Q3_K_L') return 'Q5_K';
      if (target === 'Q3_K_M') return isFirstSixteenth(matrix) ? 'Q5_K' : 'Q4_K';
      return deservesMoreBits(block, model.blocks) ? 'Q6_K' : base;
    case 'Q5_K_M':
      return deservesMoreBits(block, model.blocks) ? 'Q6_K' : base;
    case 'Q4_K_S':
      if (isFalcon) return base;
      break;
    case 'IQ3_M':
      if (model.experts === EIGHT_EXPERTS && deservesMoreBits(block, model.blocks)) return 'Q4_K';
      break;
    default:
  }
  const first = (hasImportance ? FIRST_DOWN_WEIGHED : FIRST_DOWN)[target];
  return isFirstEighth(matrix) ? (first ?? base) : base;
}

/** The middle blocks of one type get less. */
const upType = (matrix: Matrix): TensorType => {
  const { target, base, block, model } = matrix;
  const isMiddle = !isFirstEighth(matrix) && block < Math.floor((7 * model.blocks) / 8);
  return target === 'IQ3_XS' && isMiddle ? 'IQ3_XXS' : base;
};

/** Types that attn_output gets more bits than, where the experts are eight. */
const EIGHT_EXPERTS_Q5_K: readonly FileType[] = [
  ...(['Q2_K', 'Q3_K_S', 'Q3_K_M', 'Q4_K_S', 'Q4_K_M'] as const),
  ...(['IQ3_XXS', 'IQ3_XS', 'IQ3_S', 'IQ3_M', 'IQ4_NL', 'IQ4_XS'] as const),
];
const ATTENTION_OUTPUTS: ByFileType = { Q2_K: 'Q3_K', IQ3_XXS: 'IQ3_S', Q3_K_M: 'Q4_K', Q3_K_L: 'Q5_K', IQ3_M: 'Q4_K' };

function attentionOutputType({ target, base, model }: Matrix): TensorType {
  if (model.architecture === 'falcon') return target === 'Q3_K_L' ? 'Q4_K' : base;
  if (model.experts === EIGHT_EXPERTS) return EIGHT_EXPERTS_Q5_K.includes(target) ? 'Q5_K' : base;
  return ATTENTION_OUTPUTS[target] ?? base;
}

/** What a matrix becomes in a file of a type, if its rows hold it. */
export function mixtureType(category: Category, matrix: Matrix): TensorType {
  const { target, base, model } = matrix;
  if (category === 'output' || (category === 'token_embd' && model.hasTiedEmbeddings)) return outputType(matrix);
  if (target === 'MXFP4_MOE') return expertsType(category, matrix);
  if (category === 'token_embd') return EMBEDDINGS[target] ?? base;
  const raised = FEW_BITS[target];
  if (raised !== undefined) return fewBitsType(category, matrix, raised);
  if (isAttentionValue(category)) return attentionValueType(matrix);
  switch (category) {
    case 'attn_k':
      return model.experts === EIGHT_EXPERTS ? 'Q8_0' : (KEYS_AND_QUERIES[target] ?? base);
    case 'attn_q':
      return KEYS_AND_QUERIES[target] ?? base;
    case 'attn_output':
      return attentionOutputType(matrix);
    case 'ffn_down':
      return downType(matrix);
    case 'ffn_up':
    case 'ffn_gate':
      return upType(matrix);
    default:
      return base;
  }
}
