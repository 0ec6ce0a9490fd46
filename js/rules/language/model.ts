import type { KeyValueReader } from '../decision.js';
import type { TensorDescription } from '../rule.js';
import { blockOf, categoryOf, isAttentionValue } from './tensors.js';

/** What the choice of types goes by besides the tensor. */
export interface LanguageModel {
  readonly architecture: string;
  /** Blocks of the model. */
  readonly blocks: number;
  readonly experts: number;
  /** Query heads that share a key and value head, in the first block; 0 when it has none. */
  readonly queryHeadsPerKeyHead: number;
  /** Whether it is one of those that llama.cpp calls 70B: attn_v is small there, and gets more bits. */
  readonly isSeventyB: boolean;
  /** The output matrix is the token embedding: there is no other. */
  readonly hasTiedEmbeddings: boolean;
  /** Tensors that count as attention values, in all blocks. */
  readonly attentionValues: number;
}

/** Blocks of the models that llama.cpp calls 70B, by architecture. */
const SEVENTY_B_BLOCKS: Readonly<Record<string, number>> = {
  deci: 80,
  jais2: 68,
  llama: 80,
  'llama-embed': 80,
  olmo: 80,
  qwen2: 80,
};

/** Where one that has as many key heads as query heads is called 65B. */
const SIXTY_FIVE_B = ['llama', 'llama-embed'];

/** Heads of an architecture may differ from block to block; the first block's count. */
function count(keyValue: KeyValueReader, key: string): number | undefined {
  const value = keyValue(key);
  const first = typeof value === 'object' ? value[0] : value;
  return typeof first === 'number' ? first : undefined;
}

export function describeLanguageModel(
  architecture: string,
  tensors: readonly TensorDescription[],
  keyValue: KeyValueReader,
): LanguageModel {
  // llama.cpp reads no hyperparameters of vision and audio parts.
  const read = (key: string): number | undefined =>
    architecture === 'clip' ? 0 : count(keyValue, `${architecture}.${key}`);
  const heads = read('attention.head_count') ?? 0;
  const keyHeads = read('attention.head_count_kv') ?? heads;
  const blocks = read('block_count') ?? tensors.reduce((most, { name }) => Math.max(most, blockOf(name) + 1), 0);
  const experts = read('expert_count') ?? 0;
  return {
    architecture,
    blocks,
    experts,
    queryHeadsPerKeyHead: keyHeads === 0 ? 0 : Math.floor(heads / keyHeads),
    isSeventyB:
      SEVENTY_B_BLOCKS[architecture] === blocks && (heads !== keyHeads || !SIXTY_FIVE_B.includes(architecture)),
    hasTiedEmbeddings: !tensors.some(({ name }) => categoryOf(name) === 'output'),
    attentionValues: tensors.filter(({ name }) => isAttentionValue(categoryOf(name))).length,
  };
}
