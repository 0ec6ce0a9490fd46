/** Stable Diffusion 3 and 3.5, AuraFlow, PixArt. */
import { convolution, linear, matrix, rootMeanSquareNorm, within } from '../patterns.mjs';

function stableDiffusion3(width, { positions, hasNorms = false, hasSecond = false }) {
  const norms = hasNorms && { 'attn.ln_{q,k}': rootMeanSquareNorm(64) };
  const side = {
    'attn.qkv': linear(3 * width, width),
    ...norms,
    'attn.proj': linear(width, width),
    'mlp.fc1': linear(4 * width, width),
    'mlp.fc2': linear(width, 4 * width),
  };
  return {
    'x_embedder.proj': convolution(width, 16, 2, 2),
    pos_embed: [1, positions, width],
    't_embedder.mlp.0': linear(width, 256),
    't_embedder.mlp.2': linear(width, width),
    'y_embedder.mlp.0': linear(width, 2048),
    'y_embedder.mlp.2': linear(width, width),
    context_embedder: linear(width, 4096),
    ...within('joint_blocks.0.x_block.', { 'adaLN_modulation.1': linear((hasSecond ? 9 : 6) * width, width), ...side }),
    ...(hasSecond &&
      within('joint_blocks.0.x_block.attn2.', {
        qkv: linear(3 * width, width),
        'ln_{q,k}': rootMeanSquareNorm(64),
        proj: linear(width, width),
      })),
    ...within('joint_blocks.{0,1}.context_block.', { 'adaLN_modulation.1': linear(6 * width, width), ...side }),
    ...within('joint_blocks.1.x_block.', { 'adaLN_modulation.1': linear(6 * width, width), ...side }),
    'joint_blocks.2.x_block.adaLN_modulation.1': linear(6 * width, width),
    ...within('joint_blocks.2.x_block.', side),
    // The last block's other half only gives keys and values.
    'joint_blocks.2.context_block.adaLN_modulation.1': linear(2 * width, width),
    'joint_blocks.2.context_block.attn.qkv': linear(3 * width, width),
    ...(hasNorms && within('joint_blocks.2.context_block.', norms)),
    'final_layer.linear': linear(64, width),
    'final_layer.adaLN_modulation.1': linear(2 * width, width),
  };
}

const kAuraWidth = 3072;
const perceptron = { 'c_fc{1,2}': matrix(8192, kAuraWidth), c_proj: matrix(kAuraWidth, 8192) };
const aura = {
  init_x_linear: linear(kAuraWidth, 16),
  't_embedder.mlp.0': linear(kAuraWidth, 256),
  't_embedder.mlp.2': linear(kAuraWidth, kAuraWidth),
  cond_seq_linear: matrix(kAuraWidth, 2048),
  positional_encoding: [1, 9216, kAuraWidth],
  register_tokens: [1, 8, kAuraWidth],
  ...within('double_layers.{0..3}.', {
    'attn.w{1,2}{q,k,v,o}': matrix(kAuraWidth, kAuraWidth),
    ...within('mlp{C,X}.', perceptron),
    'mod{C,X}.1': matrix(6 * kAuraWidth, kAuraWidth),
  }),
  ...within('single_layers.{0..1}.', {
    'attn.w1{q,k,v,o}': matrix(kAuraWidth, kAuraWidth),
    ...within('mlp.', perceptron),
    'modCX.1': matrix(6 * kAuraWidth, kAuraWidth),
  }),
  final_linear: matrix(16, kAuraWidth),
  'modF.1': matrix(2 * kAuraWidth, kAuraWidth),
};

const kPixartWidth = 1152;
const pixart = {
  'x_embedder.proj': convolution(kPixartWidth, 4, 2, 2),
  pos_embed: [1, 4096, kPixartWidth],
  't_embedder.mlp.0': linear(kPixartWidth, 256),
  't_embedder.mlp.2': linear(kPixartWidth, kPixartWidth),
  't_block.1': linear(6 * kPixartWidth, kPixartWidth),
  'y_embedder.y_embedding': [300, 4096],
  'y_embedder.y_proj.fc1': linear(kPixartWidth, 4096),
  'y_embedder.y_proj.fc2': linear(kPixartWidth, kPixartWidth),
  ...within('blocks.{0..1}.', {
    scale_shift_table: [6, kPixartWidth],
    'attn.qkv': linear(3 * kPixartWidth, kPixartWidth),
    'attn.proj': linear(kPixartWidth, kPixartWidth),
    'cross_attn.q_linear': linear(kPixartWidth, kPixartWidth),
    'cross_attn.kv_linear': linear(2 * kPixartWidth, kPixartWidth),
    'cross_attn.proj': linear(kPixartWidth, kPixartWidth),
    'mlp.fc1': linear(4 * kPixartWidth, kPixartWidth),
    'mlp.fc2': linear(kPixartWidth, 4 * kPixartWidth),
  }),
  'final_layer.linear': linear(32, kPixartWidth),
  'final_layer.scale_shift_table': [2, kPixartWidth],
};

const kSd3 = { comfyui: 'sd3', sdcpp: true };

export const MMDIT_MODELS = [
  { name: 'sd3 medium', family: 'sd3', ...kSd3, modules: stableDiffusion3(1536, { positions: 36864 }) },
  {
    name: 'sd3.5 medium',
    ...kSd3,
    prefix: 'model.diffusion_model.',
    modules: stableDiffusion3(1536, { positions: 147456, hasNorms: true, hasSecond: true }),
  },
  { name: 'sd3.5 large', ...kSd3, modules: stableDiffusion3(2432, { positions: 36864, hasNorms: true }) },
  { name: 'auraflow', family: 'aura', comfyui: 'aura', sdcpp: false, modules: aura, prefix: 'model.' },
  { name: 'pixart', family: 'pixart', comfyui: null, sdcpp: false, modules: pixart },
];
