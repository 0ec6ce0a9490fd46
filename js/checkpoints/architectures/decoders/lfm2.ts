import { i32s } from '../../../containers/gguf/key-values.js';
import type { Json } from '../../../formats/folder/json.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { KeyList } from '../../key-list.js';
import { byteLevel } from '../../tokenizer/vocabularies.js';
import { reshaped } from '../../weights/operations.js';
import type { Architecture } from '../architecture.js';
import { allLayers, modelBlock, type Block } from '../base/block.js';
import { output, tokenEmbeddings } from '../base/common.js';
import { decoder, firstVocabulary } from '../base/decoder.js';
import { countIn, optionalFloatIn, Parameters, setBaseParameters } from '../base/parameters.js';
import type { Recipe } from '../base/recipes.js';
import { positive, sizesOf, type Sizes } from '../base/sizes.js';

const isAttention = (type: Json): boolean => typeof type === 'string' && type.endsWith('_attention');

/** Which layers attend; the others convolve over a few tokens. */
function attendingLayers({ hparams }: Checkpoint, { layers }: Sizes): readonly boolean[] {
  const listed = hparams.find('layer_types');
  const known = Array.isArray(listed) ? listed.filter((type: Json) => type === 'conv' || isAttention(type)) : [];
  if (known.length !== layers || !Array.isArray(listed) || listed.length !== layers) {
    throw hparams.wrong(['layer_types'], `a list of ${layers}, conv or full_attention`);
  }
  return known.map(isAttention);
}

/** Rows inside the feed-forward network, which config.json says before they are cut and rounded up. */
function feedForwardOf({ hparams }: Checkpoint): number {
  const given = positive(hparams, 'block_ff_dim', 'intermediate_size');
  if (hparams.find('block_auto_adjust_ff_dim') !== true) return given;
  const factor = optionalFloatIn(hparams, 'block_ffn_dim_multiplier');
  const cut = Math.trunc((2 * given) / 3);
  const multiple = positive(hparams, 'block_multiple_of');
  return multiple * Math.ceil((factor === undefined ? cut : Math.trunc(factor * cut)) / multiple);
}

function attention(block: Block, { embedding, head, keyValueHeads }: Sizes): readonly Recipe[] {
  const bias = { bias: 'may' } as const;
  return [
    ...block.matrix('attn_q', 'self_attn.q_proj', [embedding, embedding], bias),
    ...block.matrix('attn_k', 'self_attn.k_proj', [keyValueHeads * head, embedding], bias),
    ...block.matrix('attn_v', 'self_attn.v_proj', [keyValueHeads * head, embedding], bias),
    ...block.matrix('attn_output', 'self_attn.out_proj', [embedding, embedding]),
    ...block.matrix('attn_q_norm', 'self_attn.q_layernorm', [head]),
    ...block.matrix('attn_k_norm', 'self_attn.k_layernorm', [head]),
  ];
}

/** `width` tokens are looked at together. */
const convolution = (block: Block, { embedding }: Sizes, width: number): readonly Recipe[] => [
  block.tensor('shortconv.conv.weight', 'conv.conv.weight', [embedding, 1, width], {
    change: (weight) => reshaped(weight, [embedding, width]),
  }),
  ...block.matrix('shortconv.in_proj', 'conv.in_proj', [3 * embedding, embedding]),
  ...block.matrix('shortconv.out_proj', 'conv.out_proj', [embedding, embedding]),
];

function recipes(checkpoint: Checkpoint, sizes: Sizes): readonly Recipe[] {
  const { embedding } = sizes;
  const attending = attendingLayers(checkpoint, sizes);
  const rows = feedForwardOf(checkpoint);
  const width = positive(checkpoint.hparams, 'conv_L_cache');
  return [
    tokenEmbeddings(sizes),
    ...modelBlock.matrix('token_embd_norm', 'model.embedding_norm', [embedding]),
    output(sizes, true),
    ...allLayers(sizes, (block, layer) => [
      ...block.matrix('attn_norm', 'operator_norm', [embedding]),
      ...(attending[layer] === true ? attention(block, sizes) : convolution(block, sizes, width)),
      ...block.matrix('ffn_norm', 'ffn_norm', [embedding]),
      ...block.matrix('ffn_gate', 'feed_forward.w1', [rows, embedding]),
      ...block.matrix('ffn_down', 'feed_forward.w2', [embedding, rows]),
      ...block.matrix('ffn_up', 'feed_forward.w3', [rows, embedding]),
    ]),
  ];
}

function setParameters(pairs: KeyList, checkpoint: Checkpoint): void {
  const { hparams } = checkpoint;
  const sizes = sizesOf(checkpoint);
  const parameters = new Parameters(pairs, 'lfm2', hparams);
  setBaseParameters(pairs, checkpoint, 'lfm2');
  const heads = attendingLayers(checkpoint, sizes).map((attends) => (attends ? sizes.keyValueHeads : 0));
  pairs.set(i32s(parameters.key('attention.head_count_kv'), heads));
  parameters.setCount('vocab_size', countIn(hparams, 'vocab_size'));
  parameters.setCount('shortconv.l_cache', countIn(hparams, 'conv_L_cache'));
  parameters.float('attention.layer_norm_rms_epsilon', 'norm_eps');
  parameters.setCount('feed_forward_length', feedForwardOf(checkpoint));
}

/** Layers that convolve, among some that attend. */
export const lfm2: Architecture = decoder({
  name: 'lfm2',
  classes: ['Lfm2ForCausalLM', 'LFM2ForCausalLM'],
  epsilon: 'rms',
  recipes,
  parameters: setParameters,
  vocabulary: (pairs, checkpoint) => firstVocabulary(pairs, checkpoint, byteLevel),
});
