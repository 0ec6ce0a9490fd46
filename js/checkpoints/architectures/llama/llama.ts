import { flag } from '../../../containers/gguf/key-values.js';
import { QuantizeError } from '../../../errors.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { KeyList } from '../../key-list.js';
import {
  byteLevel,
  llamaHuggingFace,
  sentencePiece,
  setSpacePrefix,
  setSpecialTokens,
} from '../../tokenizer/vocabularies.js';
import { constant, permutedHeads } from '../../weights/operations.js';
import type { Weight } from '../../weights/weight.js';
import type { Architecture } from '../architecture.js';
import { allLayers, type Block } from '../base/block.js';
import { attention, gatedFeedForward, outerTensors, preNorms } from '../base/common.js';
import { decoder, firstVocabulary, type Family } from '../base/decoder.js';
import { separateExperts } from '../base/experts.js';
import { countIn, EXPERTS, optionalCountIn, Parameters, setBaseParameters } from '../base/parameters.js';
import type { Recipe } from '../base/recipes.js';
import { llama3Factors } from '../base/rope.js';
import { setPooling } from '../pooling.js';
import { expertsOf, feedForwardOf, sizesOf, type Sizes } from '../base/sizes.js';

/** Halves of heads lie one after the other in a checkpoint, and alternate in a GGUF. */
const permuted = (weight: Weight, heads: number): Weight => permutedHeads(weight, heads);

export const llamaRecipes = (checkpoint: Checkpoint, sizes: Sizes): readonly Recipe[] => [
  ...outerTensors(sizes),
  ...allLayers(sizes, (block) => [
    ...preNorms(block, sizes.embedding),
    ...attention(block, sizes, { bias: 'may', outputBias: 'may', change: permuted }),
    ...feedForward(block, checkpoint, sizes),
  ]),
];

function feedForward(block: Block, checkpoint: Checkpoint, { embedding }: Sizes): readonly Recipe[] {
  const rows = feedForwardOf(checkpoint);
  if ((optionalCountIn(checkpoint.hparams, ...EXPERTS) ?? 0) === 0) {
    return gatedFeedForward(block, embedding, rows, { bias: 'may' });
  }
  const experts = expertsOf(checkpoint);
  return [
    ...block.matrix('ffn_gate_inp', 'block_sparse_moe.gate', [experts, embedding]),
    separateExperts(block, 'block_sparse_moe.experts', experts, [
      { made: 'ffn_gate_exps', part: 'w1', shape: [rows, embedding] },
      { made: 'ffn_down_exps', part: 'w2', shape: [embedding, rows] },
      { made: 'ffn_up_exps', part: 'w3', shape: [rows, embedding] },
    ]),
  ];
}

/** The factors of Llama 3's frequencies, as llama.cpp reads them. */
export function ropeFrequencies(
  checkpoint: Checkpoint,
  { head }: Pick<Sizes, 'head'>,
  defaults: { readonly factor: number } = { factor: 8 },
): readonly Weight[] {
  const factors = llama3Factors(checkpoint, head, defaults.factor);
  return factors === undefined
    ? []
    : [constant('rope_freqs.weight', [factors.length], Float32Array.from(factors), checkpoint)];
}

/** What the models whose class derives from LLaMA's write after all others. */
export function setLlamaParameters(pairs: KeyList, checkpoint: Checkpoint, name: string, { head }: Sizes): void {
  setBaseParameters(pairs, checkpoint, name);
  const parameters = new Parameters(pairs, name, checkpoint.hparams);
  parameters.count('vocab_size', 'vocab_size');
  parameters.setCount('rope.dimension_count', head);
}

/** CodeLlama is known by its number of tokens, and so are Granite's smallest models. */
const CODE_LLAMA_TOKENS = 32_016;
const GRANITE_TOKENS = 49_152;

/** The tokens around code that is to be filled in. */
const CODE_LLAMA = [
  ['prefix', 32_007],
  ['suffix', 32_008],
  ['middle', 32_009],
  ['eot', 32_010],
] as const;

/** Tries the kinds of vocabularies that models of this layout have had. */
async function llamaVocabulary(pairs: KeyList, checkpoint: Checkpoint): Promise<void> {
  await setSpacePrefix(pairs, checkpoint);
  await firstVocabulary(pairs, checkpoint, sentencePiece, llamaHuggingFace, byteLevel);
  const tokens = countIn(checkpoint.hparams, 'vocab_size');
  if (tokens === CODE_LLAMA_TOKENS) {
    await setSpecialTokens(pairs, checkpoint, { types: CODE_LLAMA.map(([type]) => type), known: CODE_LLAMA });
  }
  if (tokens === GRANITE_TOKENS) pairs.set(flag('tokenizer.ggml.add_bos_token', false));
}

/** A family whose class derives from LLaMA's, with all that it does not say otherwise. */
export function llamaLike(family: Pick<Family, 'name' | 'classes'> & Partial<Family>): Architecture {
  return decoder({
    epsilon: 'rms',
    recipes: llamaRecipes,
    generated: ropeFrequencies,
    parameters: (pairs, checkpoint) => {
      setLlamaParameters(pairs, checkpoint, family.name, sizesOf(checkpoint));
    },
    vocabulary: llamaVocabulary,
    ...family,
  });
}

export const llama = llamaLike({
  name: 'llama',
  classes: [
    ...['LlamaForCausalLM', 'LLaMAForCausalLM', 'LlamaModel', 'MistralForCausalLM', 'MixtralForCausalLM'],
    ...['LlavaForConditionalGeneration', 'VLlama3ForCausalLM'],
  ],
  // Idefics 3 and SmolVLM call so what others call language_model.
  keep: (name) => name.replaceAll('text_model.', ''),
});

/** Some of its layers rotate no positions, which llama.cpp knows by itself. */
export const smollm3 = llamaLike({
  name: 'smollm3',
  classes: ['SmolLM3ForCausalLM'],
  recipes: (checkpoint, sizes) => [
    ...outerTensors(sizes),
    ...allLayers(sizes, (block) => [
      ...preNorms(block, sizes.embedding),
      ...attention(block, sizes, { bias: 'may', change: permuted }),
      ...gatedFeedForward(block, sizes.embedding, feedForwardOf(checkpoint)),
    ]),
  ],
  generated: (checkpoint, sizes) => {
    if (ropeFrequencies(checkpoint, sizes).length === 0) return [];
    const detail = 'llama.cpp does not rotate positions by the rope_type llama3 in models of this kind';
    throw new QuantizeError('unsupported_model', { file: checkpoint.name, detail });
  },
});

/** Its feed-forward network has no gate. */
export const arcee = llamaLike({
  name: 'arcee',
  classes: ['ArceeForCausalLM'],
  recipes: (checkpoint, sizes) => [
    ...outerTensors(sizes),
    ...allLayers(sizes, (block) => [
      ...preNorms(block, sizes.embedding),
      ...attention(block, sizes, { bias: 'may', change: permuted }),
      ...block.matrix('ffn_up', 'mlp.up_proj', [feedForwardOf(checkpoint), sizes.embedding]),
      ...block.matrix('ffn_down', 'mlp.down_proj', [sizes.embedding, feedForwardOf(checkpoint)]),
    ]),
  ],
  parameters: async (pairs, checkpoint) => {
    setLlamaParameters(pairs, checkpoint, 'arcee', sizesOf(checkpoint));
    await setPooling(pairs, checkpoint, 'arcee');
  },
});
