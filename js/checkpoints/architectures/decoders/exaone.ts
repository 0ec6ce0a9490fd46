import { flags } from '../../../containers/gguf/key-values.js';
import { QuantizeError } from '../../../errors.js';
import { wholeNumber } from '../../../formats/folder/json.js';
import type { Checkpoint } from '../../checkpoint.js';
import { byteLevel } from '../../tokenizer/vocabularies.js';
import type { Weight } from '../../weights/weight.js';
import type { Architecture } from '../architecture.js';
import { allLayers, Block } from '../base/block.js';
import { attention, gatedFeedForward, outerTensors } from '../base/common.js';
import { decoder, firstVocabulary } from '../base/decoder.js';
import { optionalCountIn, optionalFloatIn, Parameters, setBaseParameters } from '../base/parameters.js';
import type { Recipe } from '../base/recipes.js';
import { feedForwardOf, sizesOf, type Sizes } from '../base/sizes.js';
import { ropeFrequencies } from '../llama/llama.js';

function layer(index: number, { embedding, head, heads, keyValueHeads }: Sizes, rows: number): readonly Recipe[] {
  const block = new Block(`blk.${index}.`, `transformer.h.${index}.`);
  const bias = { bias: 'may' } as const;
  return [
    ...block.matrix('attn_norm', 'ln_1', [embedding]),
    ...block.matrix('attn_q', 'attn.attention.q_proj', [heads * head, embedding], bias),
    ...block.matrix('attn_k', 'attn.attention.k_proj', [keyValueHeads * head, embedding], bias),
    ...block.matrix('attn_v', 'attn.attention.v_proj', [keyValueHeads * head, embedding], bias),
    ...block.matrix('attn_output', 'attn.attention.out_proj', [embedding, heads * head]),
    ...block.matrix('ffn_norm', 'ln_2', [embedding]),
    ...block.matrix('ffn_gate', 'mlp.c_fc_0', [rows, embedding]),
    ...block.matrix('ffn_up', 'mlp.c_fc_1', [rows, embedding]),
    ...block.matrix('ffn_down', 'mlp.c_proj', [embedding, rows]),
  ];
}

function recipes(checkpoint: Checkpoint, sizes: Sizes): readonly Recipe[] {
  const { embedding, layers, vocabulary } = sizes;
  const rows = feedForwardOf(checkpoint);
  const model = new Block('', '');
  return [
    model.tensor('token_embd.weight', 'transformer.wte.weight', [vocabulary, embedding]),
    ...model.matrix('output_norm', 'transformer.ln_f', [embedding]),
    model.tensor('output.weight', 'lm_head.weight', [vocabulary, embedding], { optional: true }),
    ...Array.from({ length: layers }, (_, index) => layer(index, sizes, rows)).flat(),
  ];
}

/** Dimensions of a head that are rotated. */
function rotatedOf(checkpoint: Checkpoint): number {
  const { embedding, heads } = sizesOf(checkpoint);
  const share = optionalFloatIn(checkpoint.rope, 'partial_rotary_factor') ?? 1;
  return Math.trunc(share * Math.floor(embedding / heads));
}

/** llama.cpp wants a factor for each frequency, and the converter makes those of a whole head. */
function generated(checkpoint: Checkpoint, sizes: Sizes): readonly Weight[] {
  const factors = ropeFrequencies(checkpoint, sizes);
  if (factors.length === 0 || rotatedOf(checkpoint) === sizes.head) return factors;
  const detail =
    'llama.cpp does not open a model of this kind with both the rope_type llama3 and a partial_rotary_factor';
  throw new QuantizeError('unsupported_model', { file: checkpoint.name, detail });
}

export const exaone: Architecture = decoder({
  name: 'exaone',
  epsilon: 'rms',
  classes: ['ExaoneForCausalLM'],
  recipes,
  generated,
  parameters: (pairs, checkpoint) => {
    const { hparams, name } = checkpoint;
    setBaseParameters(pairs, checkpoint, 'exaone');
    if (hparams.text('activation_function') !== 'silu') {
      const detail = 'llama.cpp has no other activation_function than silu for models of this kind';
      throw new QuantizeError('unsupported_model', { file: name, detail });
    }
    const parameters = new Parameters(pairs, 'exaone', hparams);
    if (!hparams.has('rms_norm_eps')) parameters.float('attention.layer_norm_rms_epsilon', 'layer_norm_epsilon');
    parameters.setCount('rope.dimension_count', rotatedOf(checkpoint));
  },
  vocabulary: (pairs, checkpoint) => firstVocabulary(pairs, checkpoint, byteLevel),
});

/** Which layers attend to a window only; undefined where config.json does not say it of all. */
function slidingLayers(checkpoint: Checkpoint): readonly boolean[] | undefined {
  const { hparams } = checkpoint;
  const { layers } = sizesOf(checkpoint);
  const listed = hparams.find('layer_types');
  if (listed !== undefined) {
    if (!Array.isArray(listed) || listed.length !== layers) throw hparams.wrong(['layer_types'], `a list of ${layers}`);
    return listed.map((type) => type === 'sliding_attention');
  }
  const pattern = hparams.find('sliding_window_pattern');
  const every = wholeNumber(pattern);
  if (every !== undefined && every > 0) return Array.from({ length: layers }, (_, layer) => (layer + 1) % every !== 0);
  if (typeof pattern !== 'string' || pattern === '') return undefined;
  return Array.from({ length: layers }, (_, layer) => pattern[layer % pattern.length] === 'L');
}

/** Norms stand behind attention and feed-forward network. */
export const exaone4: Architecture = decoder({
  name: 'exaone4',
  epsilon: 'rms',
  classes: ['Exaone4ForCausalLM'],
  recipes: (checkpoint, sizes) => [
    ...outerTensors(sizes),
    ...allLayers(sizes, (block) => [
      ...attention(block, sizes, { bias: 'may' }),
      ...block.matrix('attn_q_norm', 'self_attn.q_norm', [sizes.head]),
      ...block.matrix('attn_k_norm', 'self_attn.k_norm', [sizes.head]),
      ...block.matrix('post_attention_norm', 'post_attention_layernorm', [sizes.embedding]),
      ...gatedFeedForward(block, sizes.embedding, feedForwardOf(checkpoint)),
      ...block.matrix('post_ffw_norm', 'post_feedforward_layernorm', [sizes.embedding]),
    ]),
  ],
  generated: (checkpoint, sizes) => ropeFrequencies(checkpoint, sizes, { factor: 16 }),
  parameters: (pairs, checkpoint) => {
    const { hparams } = checkpoint;
    setBaseParameters(pairs, checkpoint, 'exaone4');
    const parameters = new Parameters(pairs, 'exaone4', hparams);
    parameters.count('vocab_size', 'vocab_size');
    if (optionalCountIn(hparams, 'sliding_window') === undefined) return;
    parameters.count('attention.sliding_window', 'sliding_window');
    const layers = slidingLayers(checkpoint);
    if (layers !== undefined) pairs.set(flags(parameters.key('attention.sliding_window_pattern'), layers));
  },
  vocabulary: (pairs, checkpoint) => firstVocabulary(pairs, checkpoint, byteLevel),
});
