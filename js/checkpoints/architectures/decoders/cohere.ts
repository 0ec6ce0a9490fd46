import { text } from '../../../containers/gguf/key-values.js';
import type { Checkpoint } from '../../checkpoint.js';
import { byteLevel } from '../../tokenizer/vocabularies.js';
import type { Architecture } from '../architecture.js';
import { allLayers, modelBlock, type Block } from '../base/block.js';
import { attention, gatedFeedForward, tokenEmbeddings } from '../base/common.js';
import { decoder, firstVocabulary } from '../base/decoder.js';
import { CONTEXT, countIn, EMBEDDING, floatIn, HEADS, Parameters, setBaseParameters } from '../base/parameters.js';
import type { Recipe } from '../base/recipes.js';
import { feedForwardOf, type Sizes } from '../base/sizes.js';

/** Attention and feed-forward network lie side by side behind one norm; the embeddings are the output as well. */
const recipes = (
  checkpoint: Checkpoint,
  sizes: Sizes,
  more: (block: Block) => readonly Recipe[],
): readonly Recipe[] => [
  tokenEmbeddings(sizes),
  ...modelBlock.matrix('output_norm', 'model.norm', [sizes.embedding]),
  ...allLayers(sizes, (block) => [
    ...block.matrix('attn_norm', 'input_layernorm', [sizes.embedding]),
    ...attention(block, sizes, { isSquare: true }),
    ...more(block),
    ...gatedFeedForward(block, sizes.embedding, feedForwardOf(checkpoint)),
  ]),
];

/** From as many layers on, llama.cpp looks for norms of queries and keys, each head with its own. */
const LAYERS_WITH_NORMS = 64;

function headNorms(block: Block, { head, heads, keyValueHeads, layers }: Sizes): readonly Recipe[] {
  if (layers < LAYERS_WITH_NORMS) return [];
  return [
    block.tensor('attn_q_norm.weight', 'self_attn.q_norm.weight', [heads, head]),
    block.tensor('attn_k_norm.weight', 'self_attn.k_norm.weight', [keyValueHeads, head]),
  ];
}

export const commandR: Architecture = decoder({
  name: 'command-r',
  epsilon: 'layer',
  classes: ['CohereForCausalLM'],
  recipes: (checkpoint, sizes) => recipes(checkpoint, sizes, (block) => headNorms(block, sizes)),
  parameters: (pairs, checkpoint) => {
    setBaseParameters(pairs, checkpoint, 'command-r');
    const parameters = new Parameters(pairs, 'command-r', checkpoint.hparams);
    parameters.count('context_length', 'model_max_length', CONTEXT[0]);
    parameters.float('logit_scale', 'logit_scale');
    pairs.set(text(parameters.key('rope.scaling.type'), 'none'));
  },
  vocabulary: (pairs, checkpoint) => firstVocabulary(pairs, checkpoint, byteLevel),
});

export const cohere2: Architecture = decoder({
  name: 'cohere2',
  epsilon: 'layer',
  classes: ['Cohere2ForCausalLM'],
  recipes: (checkpoint, sizes) => recipes(checkpoint, sizes, () => []),
  parameters: (pairs, checkpoint) => {
    const { hparams } = checkpoint;
    setBaseParameters(pairs, checkpoint, 'cohere2');
    const parameters = new Parameters(pairs, 'cohere2', hparams);
    parameters.float('logit_scale', 'logit_scale');
    parameters.count('attention.sliding_window', 'sliding_window');
    parameters.count('vocab_size', 'vocab_size');
    const head = Math.floor(countIn(hparams, EMBEDDING[0]) / countIn(hparams, HEADS[0]));
    parameters.setCount('rope.dimension_count', Math.trunc(floatIn(hparams, 'rotary_pct') * head));
    pairs.set(text(parameters.key('rope.scaling.type'), 'none'));
  },
  vocabulary: (pairs, checkpoint) => firstVocabulary(pairs, checkpoint, byteLevel),
});
