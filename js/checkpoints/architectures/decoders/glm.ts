import { byteLevel } from '../../tokenizer/vocabularies.js';
import type { Architecture } from '../architecture.js';
import { allLayers } from '../base/block.js';
import { attention, outerTensors } from '../base/common.js';
import { decoder, firstVocabulary } from '../base/decoder.js';
import { optionalFloatIn, Parameters, setBaseParameters } from '../base/parameters.js';
import { feedForwardOf, sizesOf } from '../base/sizes.js';

/** Special tokens that the files of some of these models do not name. */
const SPECIAL = [
  ['eos', '<|endoftext|>'],
  ['eot', '<|user|>'],
  ['unk', '<|endoftext|>'],
  ['bos', '<|endoftext|>'],
] as const;

/** Norms stand before and behind attention and feed-forward network; gate and up are one matrix. */
export const glm4: Architecture = decoder({
  name: 'glm4',
  epsilon: 'rms',
  classes: ['Glm4ForCausalLM'],
  recipes: (checkpoint, sizes) => [
    ...outerTensors(sizes),
    ...allLayers(sizes, (block) => [
      ...block.matrix('attn_norm', 'input_layernorm', [sizes.embedding]),
      ...attention(block, sizes, { bias: 'may' }),
      ...block.matrix('post_attention_norm', 'post_self_attn_layernorm', [sizes.embedding]),
      ...block.matrix('ffn_norm', 'post_attention_layernorm', [sizes.embedding]),
      ...block.matrix('ffn_up', 'mlp.gate_up_proj', [2 * feedForwardOf(checkpoint), sizes.embedding]),
      ...block.matrix('ffn_down', 'mlp.down_proj', [sizes.embedding, feedForwardOf(checkpoint)]),
      ...block.matrix('post_ffw_norm', 'post_mlp_layernorm', [sizes.embedding]),
    ]),
  ],
  parameters: (pairs, checkpoint) => {
    setBaseParameters(pairs, checkpoint, 'glm4');
    const share = optionalFloatIn(checkpoint.rope, 'partial_rotary_factor') ?? 0.5;
    const rotated = Math.trunc(sizesOf(checkpoint).head * share);
    new Parameters(pairs, 'glm4', checkpoint.hparams).setCount('rope.dimension_count', rotated);
  },
  vocabulary: (pairs, checkpoint) =>
    firstVocabulary(pairs, checkpoint, (list, from) => byteLevel(list, from, { special: SPECIAL })),
});
