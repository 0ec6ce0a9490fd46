/** Krea 2, ERNIE-Image, HiDream-I1 and HiDream-O1. */
import { convolution, linear, matrix, norm, rootMeanSquareNorm, within } from '../patterns.mjs';

const scales = (width) => ({ scale: [width] });

const kreaBlock = (width, queries, keys, head, feedForward) => ({
  'attn.{wq,gate}': matrix(queries, width),
  'attn.{wk,wv}': matrix(keys, width),
  'attn.wo': matrix(width, queries),
  'attn.qknorm.{q,k}norm': scales(head),
  'mlp.{gate,up}': matrix(feedForward, width),
  'mlp.down': matrix(width, feedForward),
  '{pre,post}norm': scales(width),
});

const kKreaWidth = 6144;
const krea2 = {
  first: linear(kKreaWidth, 64),
  'tmlp.0': linear(kKreaWidth, 256),
  'tmlp.2': linear(kKreaWidth, kKreaWidth),
  'tproj.1': linear(6 * kKreaWidth, kKreaWidth),
  'txtmlp.0': scales(2560),
  'txtmlp.1': linear(kKreaWidth, 2560),
  'txtmlp.3': linear(kKreaWidth, kKreaWidth),
  ...within('txtfusion.{layerwise,refiner}_blocks.{0,1}.', kreaBlock(2560, 2560, 2560, 128, 6912)),
  'txtfusion.projector.weight': [1, 12],
  ...within('blocks.{0..1}.', kreaBlock(kKreaWidth, kKreaWidth, 1536, 128, 16384)),
  'blocks.{0..1}.mod.lin': [6 * kKreaWidth],
  'last.norm': scales(kKreaWidth),
  'last.modulation.lin': [2, kKreaWidth],
  'last.linear': linear(64, kKreaWidth),
};

const kErnieWidth = 4096;
const ernie = {
  'x_embedder.proj': convolution(kErnieWidth, 128, 1, 1),
  text_proj: matrix(kErnieWidth, 3072),
  'time_embedding.linear_{1,2}': linear(kErnieWidth, kErnieWidth),
  'adaLN_modulation.1': linear(6 * kErnieWidth, kErnieWidth),
  ...within('layers.{0..1}.', {
    'adaLN_{sa,mlp}_ln': rootMeanSquareNorm(kErnieWidth),
    'self_attention.{to_q,to_k,to_v,to_out.0}': matrix(kErnieWidth, kErnieWidth),
    'self_attention.norm_{q,k}': rootMeanSquareNorm(128),
    'mlp.{gate,up}_proj': matrix(12288, kErnieWidth),
    'mlp.linear_fc2': matrix(kErnieWidth, 12288),
  }),
  'final_norm.linear': linear(2 * kErnieWidth, kErnieWidth),
  final_linear: linear(128, kErnieWidth),
};

const kDreamWidth = 2560;
const dreamExpert = (inner) => ({ 'w{1,3}': matrix(inner, kDreamWidth), w2: matrix(kDreamWidth, inner) });
const dreamExperts = {
  'gate.weight': [4, kDreamWidth],
  ...within('shared_experts.', dreamExpert(3584)),
  ...within('experts.{0..3}.', dreamExpert(6912)),
};
const hidream = {
  'x_embedder.proj': linear(kDreamWidth, 64),
  't_embedder.timestep_embedder.linear_1': linear(kDreamWidth, 256),
  't_embedder.timestep_embedder.linear_2': linear(kDreamWidth, kDreamWidth),
  'p_embedder.pooled_embedder.linear_1': linear(kDreamWidth, 2048),
  'p_embedder.pooled_embedder.linear_2': linear(kDreamWidth, kDreamWidth),
  'caption_projection.{0..2}.linear': matrix(kDreamWidth, 4096),
  ...within('double_stream_blocks.0.block.', {
    'adaLN_modulation.1': linear(12 * kDreamWidth, kDreamWidth),
    'attn1.to_{q,k,v,out}{,_t}': linear(kDreamWidth, kDreamWidth),
    'attn1.{q,k}_rms_norm{,_t}': rootMeanSquareNorm(kDreamWidth),
    ...within('ff_i.', dreamExperts),
    ...within('ff_t.', dreamExpert(6912)),
  }),
  ...within('single_stream_blocks.0.block.', {
    'adaLN_modulation.1': linear(6 * kDreamWidth, kDreamWidth),
    'attn1.to_{q,k,v,out}': linear(kDreamWidth, kDreamWidth),
    'attn1.{q,k}_rms_norm': rootMeanSquareNorm(kDreamWidth),
    ...within('ff_i.', dreamExperts),
  }),
  'final_layer.adaLN_modulation.1': linear(2 * kDreamWidth, kDreamWidth),
  'final_layer.linear': linear(64, kDreamWidth),
};

const kOneWidth = 4096;
const hidreamOne = {
  'language_model.embed_tokens.weight': [151936, kOneWidth],
  ...within('language_model.layers.{0..1}.', {
    'self_attn.{q,o}_proj': matrix(kOneWidth, kOneWidth),
    'self_attn.{k,v}_proj': matrix(1024, kOneWidth),
    'self_attn.{q,k}_norm': rootMeanSquareNorm(128),
    'mlp.{gate,up}_proj': matrix(12288, kOneWidth),
    'mlp.down_proj': matrix(kOneWidth, 12288),
    '{input,post_attention}_layernorm': rootMeanSquareNorm(kOneWidth),
  }),
  'language_model.norm': rootMeanSquareNorm(kOneWidth),
  'visual.patch_embed.proj': convolution(1152, 3, 2, 16, 16),
  'visual.pos_embed.weight': [2304, 1152],
  ...within('visual.blocks.0.', {
    'norm{1,2}': norm(1152),
    'attn.qkv': linear(3456, 1152),
    'attn.proj': linear(1152, 1152),
    'mlp.linear_fc1': linear(4304, 1152),
    'mlp.linear_fc2': linear(1152, 4304),
  }),
  't_embedder1.mlp.0': linear(kOneWidth, 256),
  't_embedder1.mlp.2': linear(kOneWidth, kOneWidth),
  'x_embedder.proj1': matrix(1024, 3072),
  'x_embedder.proj2': linear(kOneWidth, 1024),
  'final_layer2.linear': linear(3072, kOneWidth),
};

export const SINGLE_STREAM_MODELS = [
  { name: 'krea 2', family: 'krea2', comfyui: null, sdcpp: true, modules: krea2 },
  { name: 'ernie image', family: 'ernie_image', comfyui: 'wan', sdcpp: true, modules: ernie },
  { name: 'hidream i1', comfyui: 'hidream', sdcpp: false, modules: hidream, plain: ['.ff_i.gate.'] },
  { name: 'hidream o1', family: 'hidream_o1', comfyui: null, sdcpp: true, modules: hidreamOne, prefix: 'model.' },
];
