import { byteLevel, sentencePiece } from '../../tokenizer/vocabularies.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { KeyList } from '../../key-list.js';
import type { Architecture } from '../architecture.js';
import { allLayers } from '../base/block.js';
import { attention, gatedFeedForward, outerTensors, preNorms } from '../base/common.js';
import { decoder, firstVocabulary } from '../base/decoder.js';
import { setBaseParameters } from '../base/parameters.js';
import { feedForwardOf } from '../base/sizes.js';
import { setPooling } from '../pooling.js';

const vocabulary = (pairs: KeyList, checkpoint: Checkpoint): Promise<void> =>
  firstVocabulary(pairs, checkpoint, sentencePiece, byteLevel);

async function setParameters(pairs: KeyList, checkpoint: Checkpoint, name: string): Promise<void> {
  setBaseParameters(pairs, checkpoint, name);
  await setPooling(pairs, checkpoint, name);
}

export const qwen2: Architecture = decoder({
  name: 'qwen2',
  classes: ['Qwen2ForCausalLM', 'Qwen2Model'],
  recipes: (checkpoint, sizes) => [
    ...outerTensors(sizes),
    ...allLayers(sizes, (block) => [
      ...preNorms(block, sizes.embedding),
      ...attention(block, sizes, { bias: 'may' }),
      ...gatedFeedForward(block, sizes.embedding, feedForwardOf(checkpoint)),
    ]),
  ],
  parameters: (pairs, checkpoint) => setParameters(pairs, checkpoint, 'qwen2'),
  vocabulary,
});

export const qwen3: Architecture = decoder({
  name: 'qwen3',
  classes: ['Qwen3ForCausalLM', 'Qwen3Model'],
  recipes: (checkpoint, sizes) => [
    ...outerTensors(sizes),
    ...allLayers(sizes, (block) => [
      ...preNorms(block, sizes.embedding),
      ...attention(block, sizes, { bias: 'may' }),
      ...block.matrix('attn_q_norm', 'self_attn.q_norm', [sizes.head]),
      ...block.matrix('attn_k_norm', 'self_attn.k_norm', [sizes.head]),
      ...gatedFeedForward(block, sizes.embedding, feedForwardOf(checkpoint)),
    ]),
  ],
  parameters: (pairs, checkpoint) => setParameters(pairs, checkpoint, 'qwen3'),
  vocabulary,
});
