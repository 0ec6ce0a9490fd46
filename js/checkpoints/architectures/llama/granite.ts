import { flag, i32s } from '../../../containers/gguf/key-values.js';
import { QuantizeError } from '../../../errors.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { Hparams } from '../../config/hparams.js';
import type { KeyList } from '../../key-list.js';
import { byteLevel, sentencePiece } from '../../tokenizer/vocabularies.js';
import { permutedHeads } from '../../weights/operations.js';
import type { Weight } from '../../weights/weight.js';
import type { Architecture } from '../architecture.js';
import { allLayers, type Block } from '../base/block.js';
import { attention, gatedFeedForward, outerTensors, preNorms } from '../base/common.js';
import { firstVocabulary, type Family } from '../base/decoder.js';
import { rowsOfEach } from '../base/experts.js';
import { EXPERTS, EXPERTS_USED, floatIn, optionalCountIn, optionalFloatIn, Parameters } from '../base/parameters.js';
import type { Recipe } from '../base/recipes.js';
import { expertsOf, feedForwardOf, positive, sizesOf, type Sizes } from '../base/sizes.js';
import { gateAndUp } from '../base/split.js';
import { llamaLike, setLlamaParameters } from './llama.js';

/** What states and scores are multiplied with: the key, and config.json's name for it. */
const SCALES = [
  ['attention.scale', 'attention_multiplier'],
  ['embedding_scale', 'embedding_multiplier'],
  ['residual_scale', 'residual_multiplier'],
  ['logit_scale', 'logits_scaling'],
] as const;

/** LLaMA's pairs without a size of heads, and what states and scores are multiplied with. */
function setGraniteParameters(pairs: KeyList, checkpoint: Checkpoint, name: string): void {
  const { hparams } = checkpoint;
  setLlamaParameters(pairs, checkpoint, name, graniteSizes(checkpoint));
  const parameters = new Parameters(pairs, name, hparams);
  for (const key of ['attention.key_length', 'attention.value_length']) pairs.delete(parameters.key(key));
  if (floatIn(hparams, 'logits_scaling') === 0) throw hparams.wrong(['logits_scaling'], 'other than 0');
  for (const [key, name] of SCALES) {
    const scale = optionalFloatIn(hparams, name) ?? 0;
    if (scale !== 0) parameters.setFloat(key, scale);
  }
}

const graniteSizes = (checkpoint: Checkpoint): Sizes => sizesOf(checkpoint, { ignoreHead: true });

const family: Pick<Family, 'sizes'> = { sizes: graniteSizes };

export const granite = llamaLike({
  ...family,
  name: 'granite',
  classes: ['GraniteForCausalLM'],
  parameters: (pairs, checkpoint) => {
    setGraniteParameters(pairs, checkpoint, 'granite');
  },
});

/** Of one more feed-forward network, which every token is sent to. */
const sharedRows = ({ hparams }: Checkpoint): number => optionalCountIn(hparams, 'shared_intermediate_size') ?? 0;

function mixedLayer(block: Block, checkpoint: Checkpoint, sizes: Sizes): readonly Recipe[] {
  const { embedding } = sizes;
  return [
    ...preNorms(block, embedding),
    ...attention(block, sizes, { bias: 'may', outputBias: 'may', change: permutedHeads }),
    ...(hasExperts(checkpoint.hparams) ? mixture(block, checkpoint, embedding) : dense(block, checkpoint, embedding)),
  ];
}

const isPositive = (hparams: Hparams, ...names: readonly string[]): boolean =>
  (optionalCountIn(hparams, ...names) ?? 0) > 0;

const hasExperts = (hparams: Hparams): boolean => isPositive(hparams, ...EXPERTS);

/** Models without experts have the shared network only, and some of them the names of LLaMA besides. */
function dense(block: Block, checkpoint: Checkpoint, embedding: number): readonly Recipe[] {
  const rows = feedForwardOf(checkpoint);
  if (sharedRows(checkpoint) === 0) return gatedFeedForward(block, embedding, rows);
  return [
    gateAndUp(block, ['ffn_gate', 'ffn_up'], 'shared_mlp.input_linear', [rows, embedding]),
    ...block.matrix('ffn_down', 'shared_mlp.output_linear', [embedding, rows]),
  ];
}

function mixture(block: Block, checkpoint: Checkpoint, embedding: number): readonly Recipe[] {
  const rows = feedForwardOf(checkpoint);
  const shared = sharedRows(checkpoint);
  const experts = expertsOf(checkpoint);
  const products = ['ffn_gate_exps', 'ffn_up_exps'].map((made, index) => ({
    name: block.made(`${made}.weight`),
    make: ([weight]: readonly Weight[]) => rowsOfEach(weight, index * rows, (index + 1) * rows, block.made(made)),
  }));
  const input = block.part('block_sparse_moe.input_linear.weight');
  return [
    ...block.matrix('ffn_gate_inp', 'block_sparse_moe.router.layer', [experts, embedding]),
    { parts: [{ name: input, shape: [experts, 2 * rows, embedding] }], products },
    ...block.matrix('ffn_down_exps', 'block_sparse_moe.output_linear', [experts, embedding, rows]),
    ...(shared === 0
      ? []
      : [
          gateAndUp(block, ['ffn_gate_shexp', 'ffn_up_shexp'], 'shared_mlp.input_linear', [shared, embedding]),
          ...block.matrix('ffn_down_shexp', 'shared_mlp.output_linear', [embedding, shared]),
        ]),
  ];
}

const mixedRecipes = (checkpoint: Checkpoint, sizes: Sizes): readonly Recipe[] => [
  ...outerTensors(sizes),
  ...allLayers(sizes, (block) => mixedLayer(block, checkpoint, sizes)),
];

function setMixtureParameters(pairs: KeyList, checkpoint: Checkpoint, name: string): void {
  setGraniteParameters(pairs, checkpoint, name);
  const shared = sharedRows(checkpoint);
  if (shared !== 0)
    new Parameters(pairs, name, checkpoint.hparams).setCount('expert_shared_feed_forward_length', shared);
}

export const graniteMixture = llamaLike({
  ...family,
  name: 'granitemoe',
  classes: ['GraniteMoeForCausalLM', 'GraniteMoeSharedForCausalLM'],
  recipes: mixedRecipes,
  parameters: (pairs, checkpoint) => {
    setMixtureParameters(pairs, checkpoint, 'granitemoe');
  },
});

/** Sizes of layers with a state, which models have keys for that have no such layers. */
function setStateParameters(pairs: KeyList, checkpoint: Checkpoint, name: string): void {
  const { hparams } = checkpoint;
  const { embedding, keyValueHeads, layers } = graniteSizes(checkpoint);
  const parameters = new Parameters(pairs, name, hparams);
  parameters.count('ssm.conv_kernel', 'mamba_d_conv');
  parameters.count('ssm.state_size', 'mamba_d_state');
  parameters.count('ssm.group_count', 'mamba_n_groups');
  parameters.setCount('ssm.inner_size', positive(hparams, 'mamba_expand') * embedding);
  parameters.count('ssm.time_step_rank', 'mamba_n_heads');
  if (isPositive(hparams, 'attn_rotary_emb')) parameters.count('rope.dimension_count', 'attn_rotary_emb');
  const keyValues = Array.from({ length: layers }, () => keyValueHeads);
  pairs.set(i32s(parameters.key('attention.head_count_kv'), keyValues));
  pairs.set(flag(parameters.key('rope.scaling.finetuned'), true));
}

function refuseStates({ hparams, name }: Checkpoint, layers: number): void {
  const types = hparams.find('layer_types');
  if (Array.isArray(types) && types.length === layers && types.every((type) => type === 'attention')) return;
  const detail = 'its layers with a state (Mamba) cannot be converted; models of this kind that only attend can';
  throw new QuantizeError('unsupported_model', { file: name, detail });
}

/** What the hybrid's class makes of models all of whose layers attend: they are named as others are. */
const attending = (name: string): Architecture =>
  llamaLike({
    ...family,
    name,
    classes: ['GraniteMoeHybridForCausalLM'],
    recipes: (checkpoint, sizes) => {
      refuseStates(checkpoint, sizes.layers);
      return mixedRecipes(checkpoint, sizes);
    },
    parameters: (pairs, checkpoint) => {
      setMixtureParameters(pairs, checkpoint, name);
      setStateParameters(pairs, checkpoint, name);
    },
    vocabulary: (pairs, checkpoint) => firstVocabulary(pairs, checkpoint, sentencePiece, byteLevel),
  });

const attendingMixture = attending('granitemoe');

export const graniteHybrid: Architecture = {
  ...attending('granite'),
  variant: (hparams) => (isPositive(hparams, ...EXPERTS_USED) ? attendingMixture : undefined),
};
