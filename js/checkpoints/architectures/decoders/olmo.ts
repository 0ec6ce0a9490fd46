import { flags } from '../../../containers/gguf/key-values.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { KeyList } from '../../key-list.js';
import { byteLevel } from '../../tokenizer/vocabularies.js';
import { permutedHeads } from '../../weights/operations.js';
import type { Architecture } from '../architecture.js';
import { allLayers } from '../base/block.js';
import { attention, gatedFeedForward, output, outerTensors, preNorms, tokenEmbeddings } from '../base/common.js';
import { decoder, firstVocabulary } from '../base/decoder.js';
import { gatedMatrices, separateExperts } from '../base/experts.js';
import { optionalFloatIn, Parameters, setBaseParameters } from '../base/parameters.js';
import { expertsOf, feedForwardOf, sizesOf } from '../base/sizes.js';
import { refuseUnusedWindow } from '../base/window.js';

const vocabulary = (pairs: KeyList, checkpoint: Checkpoint): Promise<void> =>
  firstVocabulary(pairs, checkpoint, byteLevel);

/** Not in config.json. */
const EPSILON = 1e-5;

/** The first generation, whose norms have no weights. */
export const olmo: Architecture = decoder({
  name: 'olmo',
  epsilon: 'layer',
  classes: ['OlmoForCausalLM', 'OLMoForCausalLM'],
  recipes: (checkpoint, sizes) => [
    tokenEmbeddings(sizes),
    output(sizes, true),
    ...allLayers(sizes, (block) => [
      ...attention(block, sizes, { isSquare: true, change: permutedHeads }),
      ...gatedFeedForward(block, sizes.embedding, feedForwardOf(checkpoint)),
    ]),
  ],
  parameters: (pairs, checkpoint) => {
    setBaseParameters(pairs, checkpoint, 'olmo');
    const parameters = new Parameters(pairs, 'olmo', checkpoint.hparams);
    parameters.setFloat('attention.layer_norm_epsilon', EPSILON);
    const clamp = optionalFloatIn(checkpoint.hparams, 'clip_qkv');
    if (clamp !== undefined) parameters.setFloat('attention.clamp_kqv', clamp);
  },
  vocabulary,
});

/** Which layers attend to a window only: those that config.json names, else all but every fourth. */
function slidingLayers({ hparams, ...checkpoint }: Checkpoint): readonly boolean[] {
  const { layers } = sizesOf({ hparams, ...checkpoint });
  const listed = hparams.find('layer_types');
  if (listed === undefined) return Array.from({ length: layers }, (_, layer) => (layer + 1) % 4 !== 0);
  if (!Array.isArray(listed) || listed.length !== layers) throw hparams.wrong(['layer_types'], `a list of ${layers}`);
  return listed.map((type) => type === 'sliding_attention');
}

/** The second and third generation, whose norms stand behind attention and feed-forward network. */
export const olmo2: Architecture = decoder({
  name: 'olmo2',
  epsilon: 'rms',
  classes: ['Olmo2ForCausalLM', 'Olmo3ForCausalLM'],
  recipes: (checkpoint, sizes) => [
    ...outerTensors(sizes, { isOutputNeeded: true }),
    ...allLayers(sizes, (block) => [
      ...attention(block, sizes, { bias: 'may', isSquare: true }),
      ...block.matrix('attn_q_norm', 'self_attn.q_norm', [sizes.embedding]),
      ...block.matrix('attn_k_norm', 'self_attn.k_norm', [sizes.keyValueHeads * sizes.head]),
      ...block.matrix('post_attention_norm', 'post_attention_layernorm', [sizes.embedding]),
      ...gatedFeedForward(block, sizes.embedding, feedForwardOf(checkpoint)),
      ...block.matrix('post_ffw_norm', 'post_feedforward_layernorm', [sizes.embedding]),
    ]),
  ],
  parameters: (pairs, checkpoint) => {
    setBaseParameters(pairs, checkpoint, 'olmo2');
    if (!checkpoint.hparams.has('sliding_window')) return;
    const parameters = new Parameters(pairs, 'olmo2', checkpoint.hparams);
    parameters.count('attention.sliding_window', 'sliding_window');
    const layers = slidingLayers(checkpoint);
    refuseUnusedWindow(checkpoint, layers);
    pairs.set(flags(parameters.key('attention.sliding_window_pattern'), layers));
  },
  vocabulary,
});

export const olmoMixture: Architecture = decoder({
  name: 'olmoe',
  epsilon: 'rms',
  classes: ['OlmoeForCausalLM'],
  recipes: (checkpoint, sizes) => {
    const experts = expertsOf(checkpoint);
    return [
      ...outerTensors(sizes, { isOutputNeeded: true }),
      ...allLayers(sizes, (block) => [
        ...preNorms(block, sizes.embedding),
        ...attention(block, sizes, { bias: 'may', isSquare: true }),
        ...block.matrix('attn_q_norm', 'self_attn.q_norm', [sizes.embedding]),
        ...block.matrix('attn_k_norm', 'self_attn.k_norm', [sizes.embedding]),
        ...block.matrix('ffn_gate_inp', 'mlp.gate', [experts, sizes.embedding]),
        separateExperts(block, 'mlp.experts', experts, gatedMatrices(sizes.embedding, feedForwardOf(checkpoint))),
      ]),
    ];
  },
  parameters: (pairs, checkpoint) => {
    setBaseParameters(pairs, checkpoint, 'olmoe');
    new Parameters(pairs, 'olmoe', checkpoint.hparams).setFloat('attention.layer_norm_rms_epsilon', EPSILON);
  },
  vocabulary,
});

export const seedOss: Architecture = decoder({
  name: 'seed_oss',
  epsilon: 'rms',
  classes: ['SeedOssForCausalLM'],
  recipes: (checkpoint, sizes) => [
    ...outerTensors(sizes),
    ...allLayers(sizes, (block) => [
      ...block.matrix('attn_norm', 'input_layernorm', [sizes.embedding]),
      ...attention(block, sizes, { bias: 'may' }),
      ...block.matrix('post_attention_norm', 'post_attention_layernorm', [sizes.embedding]),
      ...gatedFeedForward(block, sizes.embedding, feedForwardOf(checkpoint)),
    ]),
  ],
  parameters: (pairs, checkpoint) => {
    setBaseParameters(pairs, checkpoint, 'seed_oss');
  },
  vocabulary,
});
