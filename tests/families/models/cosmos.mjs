/** Cosmos Predict2, and Anima, which is one with a text adapter. */
import { linear, matrix, rootMeanSquareNorm, within } from '../patterns.mjs';

const kWidth = 2048;
const attention = (width, context, output) => ({
  [`{q_proj,${output}}`]: matrix(width, width),
  '{k,v}_proj': matrix(width, context),
  '{q,k}_norm': rootMeanSquareNorm(width === kWidth ? 128 : 64),
});

const cosmos = {
  'x_embedder.proj.1': matrix(kWidth, 68),
  't_embedder.1.linear_1': matrix(kWidth, kWidth),
  't_embedder.1.linear_2': matrix(3 * kWidth, kWidth),
  t_embedding_norm: rootMeanSquareNorm(kWidth),
  ...within('blocks.{0..2}.', {
    'adaln_modulation_{self_attn,cross_attn,mlp}.1': matrix(256, kWidth),
    'adaln_modulation_{self_attn,cross_attn,mlp}.2': matrix(3 * kWidth, 256),
    ...within('self_attn.', attention(kWidth, kWidth, 'output_proj')),
    ...within('cross_attn.', attention(kWidth, 1024, 'output_proj')),
    'mlp.layer1': matrix(4 * kWidth, kWidth),
    'mlp.layer2': matrix(kWidth, 4 * kWidth),
  }),
  'final_layer.adaln_modulation.1': matrix(256, kWidth),
  'final_layer.adaln_modulation.2': matrix(2 * kWidth, 256),
  'final_layer.linear': matrix(64, kWidth),
};

const predict2 = {
  ...cosmos,
  'pos_embedder.dim_spatial_range': [21],
  'pos_embedder.dim_temporal_range': [22],
  // What training has left in the files.
  'blocks.{0..2}.{self,cross}_attn.{q,k}_norm._extra_state': [4],
  'accum_{image_sample_counter,video_sample_counter,iteration,train_in_hours}': [],
};

const anima = {
  ...cosmos,
  ...within('llm_adapter.', {
    'embed.weight': [32128, 1024],
    ...within('blocks.{0..1}.', {
      'norm_{self_attn,cross_attn,mlp}': rootMeanSquareNorm(1024),
      ...within('{self,cross}_attn.', attention(1024, 1024, 'o_proj')),
      'mlp.0': linear(4096, 1024),
      'mlp.2': linear(1024, 4096),
    }),
    out_proj: linear(1024, 1024),
    norm: rootMeanSquareNorm(1024),
  }),
};

export const COSMOS_MODELS = [
  {
    name: 'cosmos predict2',
    comfyui: 'cosmos',
    sdcpp: false,
    modules: predict2,
    prefix: 'net.',
    leftOut: ['_extra_state', 'accum_'],
    integers: ['_counter', 'accum_iteration'],
  },
  { name: 'anima', family: 'anima', comfyui: 'cosmos', sdcpp: true, modules: anima, prefix: 'net.' },
];
