import { byteLevel, sentencePiece } from '../../tokenizer/vocabularies.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { KeyList } from '../../key-list.js';
import type { Architecture } from '../architecture.js';
import { allLayers, type Block } from '../base/block.js';
import { attention, gatedFeedForward, outerTensors, preNorms } from '../base/common.js';
import { decoder, firstVocabulary } from '../base/decoder.js';
import { gatedMatrices, separateExperts, stackedExperts } from '../base/experts.js';
import {
  countIn,
  EXPERTS_USED,
  FEED_FORWARD,
  optionalCountIn,
  Parameters,
  setBaseParameters,
} from '../base/parameters.js';
import type { Recipe } from '../base/recipes.js';
import { expertsOf, feedForwardOf, positive, type Sizes } from '../base/sizes.js';
import { setPooling } from '../pooling.js';
import { isReranker, rerankerRecipes, setReranker } from './reranker.js';

export const qwenVocabulary = (pairs: KeyList, checkpoint: Checkpoint): Promise<void> =>
  firstVocabulary(pairs, checkpoint, sentencePiece, byteLevel);

async function setParameters(pairs: KeyList, checkpoint: Checkpoint, name: string): Promise<void> {
  setBaseParameters(pairs, checkpoint, name);
  await setPooling(pairs, checkpoint, name);
}

export const qwen2Recipes = (checkpoint: Checkpoint, sizes: Sizes): readonly Recipe[] => [
  ...outerTensors(sizes),
  ...allLayers(sizes, (block) => [
    ...preNorms(block, sizes.embedding),
    ...attention(block, sizes, { bias: 'may', isSquare: true }),
    ...gatedFeedForward(block, sizes.embedding, feedForwardOf(checkpoint)),
  ]),
];

export const qwen2: Architecture = decoder({
  name: 'qwen2',
  epsilon: 'rms',
  classes: ['Qwen2ForCausalLM', 'Qwen2Model'],
  recipes: qwen2Recipes,
  parameters: (pairs, checkpoint) => setParameters(pairs, checkpoint, 'qwen2'),
  vocabulary: qwenVocabulary,
});

/** Norms of queries and keys, head by head. */
const headNorms = (block: Block, { head }: Sizes): readonly Recipe[] => [
  ...block.matrix('attn_q_norm', 'self_attn.q_norm', [head]),
  ...block.matrix('attn_k_norm', 'self_attn.k_norm', [head]),
];

const languageRecipes = (checkpoint: Checkpoint, sizes: Sizes): readonly Recipe[] => [
  ...outerTensors(sizes),
  ...allLayers(sizes, (block) => [
    ...preNorms(block, sizes.embedding),
    ...attention(block, sizes, { bias: 'may' }),
    ...headNorms(block, sizes),
    ...gatedFeedForward(block, sizes.embedding, feedForwardOf(checkpoint)),
  ]),
];

/** What becomes of the tensors of a language model, or of one that answers with a score. */
export async function qwen3Recipes(checkpoint: Checkpoint, sizes: Sizes): Promise<readonly Recipe[]> {
  const recipes = languageRecipes(checkpoint, sizes);
  return (await isReranker(checkpoint)) ? rerankerRecipes(checkpoint, sizes, recipes) : recipes;
}

export async function setQwen3Parameters(pairs: KeyList, checkpoint: Checkpoint, name: string): Promise<void> {
  await setParameters(pairs, checkpoint, name);
  if (await isReranker(checkpoint)) setReranker(pairs, checkpoint, name);
}

export const qwen3: Architecture = decoder({
  name: 'qwen3',
  epsilon: 'rms',
  classes: ['Qwen3ForCausalLM', 'Qwen3Model'],
  recipes: qwen3Recipes,
  parameters: (pairs, checkpoint) => setQwen3Parameters(pairs, checkpoint, 'qwen3'),
  vocabulary: qwenVocabulary,
});

/** A router, and its experts, which are separate in most checkpoints. */
function mixture(
  block: Block,
  checkpoint: Checkpoint,
  { embedding }: Sizes,
  stacked: (block: Block) => readonly Recipe[],
): readonly Recipe[] {
  const experts = expertsOf(checkpoint);
  return [
    ...block.matrix('ffn_gate_inp', 'mlp.gate', [experts, embedding]),
    separateExperts(block, 'mlp.experts', experts, gatedMatrices(embedding, expertRows(checkpoint))),
    ...stacked(block),
  ];
}

const usualStacks =
  (checkpoint: Checkpoint, { embedding }: Sizes) =>
  (block: Block): readonly Recipe[] =>
    stackedExperts(block, 'mlp.experts', expertsOf(checkpoint), [expertRows(checkpoint), embedding]);

export const expertRows = ({ hparams }: Checkpoint): number =>
  optionalCountIn(hparams, 'moe_intermediate_size') === undefined
    ? Math.floor(countIn(hparams, ...FEED_FORWARD) / countIn(hparams, ...EXPERTS_USED))
    : positive(hparams, 'moe_intermediate_size');

export function setMixtureParameters(pairs: KeyList, checkpoint: Checkpoint, name: string): void {
  setBaseParameters(pairs, checkpoint, name);
  const parameters = new Parameters(pairs, name, checkpoint.hparams);
  parameters.optionalCount('expert_feed_forward_length', 'moe_intermediate_size');
  parameters.optionalCount('expert_shared_feed_forward_length', 'shared_expert_intermediate_size');
}

/** The expert that every token is sent to. */
function sharedExpert(block: Block, checkpoint: Checkpoint, { embedding }: Sizes): readonly Recipe[] {
  const { hparams } = checkpoint;
  const rows = optionalCountIn(hparams, 'shared_expert_intermediate_size') ?? feedForwardOf(checkpoint);
  return [
    ...block.matrix('ffn_gate_inp_shexp', 'mlp.shared_expert_gate', [1, embedding]),
    ...block.matrix('ffn_gate_shexp', 'mlp.shared_expert.gate_proj', [rows, embedding]),
    ...block.matrix('ffn_up_shexp', 'mlp.shared_expert.up_proj', [rows, embedding]),
    ...block.matrix('ffn_down_shexp', 'mlp.shared_expert.down_proj', [embedding, rows]),
  ];
}

export const qwen2Mixture: Architecture = decoder({
  name: 'qwen2moe',
  epsilon: 'rms',
  classes: ['Qwen2MoeForCausalLM'],
  recipes: (checkpoint, sizes) => [
    ...outerTensors(sizes, { isOutputNeeded: true }),
    ...allLayers(sizes, (block) => [
      ...preNorms(block, sizes.embedding),
      ...attention(block, sizes, { bias: 'may', isSquare: true }),
      ...mixture(block, checkpoint, sizes, usualStacks(checkpoint, sizes)),
      ...sharedExpert(block, checkpoint, sizes),
    ]),
  ],
  parameters: (pairs, checkpoint) => {
    setMixtureParameters(pairs, checkpoint, 'qwen2moe');
  },
  vocabulary: (pairs, checkpoint) => firstVocabulary(pairs, checkpoint, byteLevel),
});

/** `stacked` has the recipes of checkpoints whose experts are stacked. */
export const qwen3MixtureRecipes = (
  checkpoint: Checkpoint,
  sizes: Sizes,
  stacked: (block: Block) => readonly Recipe[],
): readonly Recipe[] => [
  ...outerTensors(sizes),
  ...allLayers(sizes, (block) => [
    ...preNorms(block, sizes.embedding),
    ...attention(block, sizes, { bias: 'may' }),
    ...headNorms(block, sizes),
    ...mixture(block, checkpoint, sizes, stacked),
  ]),
];

export const qwen3Mixture: Architecture = decoder({
  name: 'qwen3moe',
  epsilon: 'rms',
  classes: ['Qwen3MoeForCausalLM'],
  recipes: (checkpoint, sizes) => qwen3MixtureRecipes(checkpoint, sizes, usualStacks(checkpoint, sizes)),
  parameters: (pairs, checkpoint) => {
    setMixtureParameters(pairs, checkpoint, 'qwen3moe');
  },
  vocabulary: (pairs, checkpoint) => firstVocabulary(pairs, checkpoint, byteLevel),
});
