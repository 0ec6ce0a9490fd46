/** Families whose tensors have the names of LLaMA's, with other pairs, norms or vocabularies. */

import { text, u32 } from '../../../containers/gguf/key-values.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { KeyList } from '../../key-list.js';
import { sentencePiece, setSpacePrefix } from '../../tokenizer/vocabularies.js';
import { permutedHeads, plusOne, rows } from '../../weights/operations.js';
import type { Weight } from '../../weights/weight.js';
import type { Architecture } from '../architecture.js';
import { allLayers, modelBlock, type Block, type PlaceOptions } from '../base/block.js';
import { attention, gatedFeedForward, output, outerTensors, preNorms, tokenEmbeddings } from '../base/common.js';
import { decoder, firstVocabulary } from '../base/decoder.js';
import {
  countIn,
  EMBEDDING,
  floatIn,
  HEADS,
  optionalFloatIn,
  Parameters,
  setBaseParameters,
} from '../base/parameters.js';
import type { Recipe } from '../base/recipes.js';
import { ropeFactors } from '../base/rope.js';
import { feedForwardOf, sizesOf, type Sizes } from '../base/sizes.js';
import { gateAndUp, only } from '../base/split.js';

/** Queries, keys and values that are one matrix, one below the other. */
function fusedAttention(block: Block, part: string, { embedding, head, heads, keyValueHeads }: Sizes): Recipe {
  const ends = [heads, heads + keyValueHeads, heads + 2 * keyValueHeads].map((count) => count * head);
  const [queries = 0, keys = 0, values = 0] = ends;
  const cut = (made: string, begin: number, end: number) => ({
    name: block.made(`${made}.weight`),
    make: ([weight]: readonly Weight[]) => rows(only(weight), begin, end),
  });
  return {
    parts: [{ name: block.part(`${part}.weight`), shape: [values, embedding] }],
    products: [cut('attn_q', 0, queries), cut('attn_k', queries, keys), cut('attn_v', keys, values)],
  };
}

/** Some checkpoints have queries, keys and values in one matrix, and gate and up in another one. */
export const ernie: Architecture = decoder({
  name: 'ernie4_5',
  classes: ['Ernie4_5_ForCausalLM', 'Ernie4_5ForCausalLM'],
  epsilon: 'rms',
  keep: (name) => name.replaceAll('ernie.', 'model.'),
  recipes: (checkpoint, sizes) => {
    const feedForward = feedForwardOf(checkpoint);
    return [
      ...outerTensors(sizes),
      ...allLayers(sizes, (block) => [
        ...preNorms(block, sizes.embedding),
        ...attention(block, sizes, { bias: 'may', outputBias: 'may' }),
        fusedAttention(block, 'self_attn.qkv_proj', sizes),
        ...gatedFeedForward(block, sizes.embedding, feedForward),
        gateAndUp(block, ['ffn_gate', 'ffn_up'], 'mlp.up_gate_proj', [feedForward, sizes.embedding]),
      ]),
    ];
  },
  parameters: (pairs, checkpoint) => {
    setBaseParameters(pairs, checkpoint, 'ernie4_5');
  },
  vocabulary: async (pairs, checkpoint) => {
    await firstVocabulary(pairs, checkpoint, sentencePiece);
    await setSpacePrefix(pairs, checkpoint);
  },
});

/** What embeddings, states and scores are multiplied with follows from sizes. */
function setScales(pairs: KeyList, checkpoint: Checkpoint): void {
  const { hparams } = checkpoint;
  const { layers, embedding } = sizesOf(checkpoint);
  const parameters = new Parameters(pairs, 'minicpm', hparams);
  const base = floatIn(hparams, 'dim_model_base');
  if (base === 0) throw hparams.wrong(['dim_model_base'], 'other than 0');
  parameters.float('embedding_scale', 'scale_emb');
  parameters.setFloat('residual_scale', floatIn(hparams, 'scale_depth') / layers ** 0.5);
  parameters.setFloat('logit_scale', embedding / base);
}

export const miniCpm: Architecture = decoder({
  name: 'minicpm',
  classes: ['MiniCPMForCausalLM'],
  epsilon: 'rms',
  recipes: (checkpoint, sizes) => [
    ...outerTensors(sizes),
    ...allLayers(sizes, (block) => [
      ...preNorms(block, sizes.embedding),
      ...attention(block, sizes, { change: permutedHeads }),
      ...gatedFeedForward(block, sizes.embedding, feedForwardOf(checkpoint)),
    ]),
  ],
  generated: (checkpoint, { embedding, heads }) => ropeFactors(checkpoint, Math.floor(embedding / heads)),
  parameters: (pairs, checkpoint) => {
    setBaseParameters(pairs, checkpoint, 'minicpm');
    setScales(pairs, checkpoint);
  },
  vocabulary: (pairs, checkpoint) => firstVocabulary(pairs, checkpoint, sentencePiece),
});

/** Norms are stored as what is to be added to one. */
const raised: PlaceOptions = { change: plusOne };

function norm(block: Block, made: string, part: string, size: number): readonly Recipe[] {
  return [
    block.tensor(`${made}.weight`, `${part}.weight`, [size], raised),
    block.tensor(`${made}.bias`, `${part}.bias`, [size]),
  ];
}

function setNemotronParameters(pairs: KeyList, checkpoint: Checkpoint): void {
  const { hparams, rope } = checkpoint;
  setBaseParameters(pairs, checkpoint, 'nemotron');
  const parameters = new Parameters(pairs, 'nemotron', hparams);
  parameters.count('vocab_size', 'vocab_size');
  const epsilons = ['layer_norm_eps', 'layer_norm_epsilon', 'norm_epsilon', 'norm_eps'];
  parameters.float('attention.layer_norm_epsilon', ...epsilons);
  const rotated = Math.trunc(floatIn(rope, 'partial_rotary_factor') * countIn(hparams, ...EMBEDDING));
  parameters.setCount('rope.dimension_count', Math.floor(rotated / countIn(hparams, ...HEADS)));
  const own = optionalFloatIn(hparams, 'factor') ?? 0;
  const factor = own === 0 ? optionalFloatIn(rope, 'factor') : own;
  pairs.set(text(parameters.key('rope.scaling.type'), factor === undefined ? 'none' : 'linear'));
  if (factor !== undefined) parameters.setFloat('rope.scaling.factor', factor);
}

/** Its feed-forward network has no gate. */
export const nemotron: Architecture = decoder({
  name: 'nemotron',
  classes: ['NemotronForCausalLM'],
  epsilon: 'layer',
  recipes: (checkpoint, sizes) => {
    const { embedding } = sizes;
    const feedForward = feedForwardOf(checkpoint);
    const may = { bias: 'may' } as const;
    return [
      tokenEmbeddings(sizes),
      ...norm(modelBlock, 'output_norm', 'model.norm', embedding),
      output(sizes, false),
      ...allLayers(sizes, (block) => [
        ...norm(block, 'attn_norm', 'input_layernorm', embedding),
        ...norm(block, 'ffn_norm', 'post_attention_layernorm', embedding),
        ...attention(block, sizes, { bias: 'may', outputBias: 'may', isSquare: true }),
        ...block.matrix('ffn_up', 'mlp.up_proj', [feedForward, embedding], may),
        ...block.matrix('ffn_down', 'mlp.down_proj', [embedding, feedForward], may),
      ]),
    ];
  },
  parameters: setNemotronParameters,
  vocabulary: async (pairs, checkpoint) => {
    await firstVocabulary(pairs, checkpoint, sentencePiece);
    pairs.set(u32('tokenizer.ggml.padding_token_id', 0), u32('tokenizer.ggml.unknown_token_id', 1));
  },
});
