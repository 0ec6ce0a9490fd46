/** Flux, and what is built like it: Chroma, Flux.2, Ovis-Image, LongCat-Image. */
import { convolution, linear, matrix, within } from '../patterns.mjs';

const kWidth = 3072;
const scales = (width) => ({ scale: [width] });

/** `embedder` is a matrix each for what comes in and for what goes out. */
const embedder = (width, inputs, hasBias = true) => ({
  in_layer: linear(width, inputs, hasBias),
  out_layer: linear(width, width, hasBias),
});

const doubleBlocks = (width, { hasBias = true, mlp, hasModulation = true }) =>
  within('double_blocks.{0..1}.{img,txt}_', {
    ...(hasModulation && { 'mod.lin': linear(6 * width, width) }),
    'attn.qkv': linear(3 * width, width, hasBias),
    'attn.norm.{query,key}_norm': scales(128),
    'attn.proj': linear(width, width, hasBias),
    ...within('mlp.', mlp),
  });

const singleBlocks = (width, { hasBias = true, mlpIn = 4, mlpOut = 4, hasModulation = true } = {}) =>
  within('single_blocks.{0..1}.', {
    linear1: linear((3 + mlpIn) * width, width, hasBias),
    linear2: linear(width, (1 + mlpOut) * width, hasBias),
    'norm.{query,key}_norm': scales(128),
    ...(hasModulation && { 'modulation.lin': linear(3 * width, width) }),
  });

const plainMlp = { 0: linear(4 * kWidth, kWidth), 2: linear(kWidth, 4 * kWidth) };

const flux = ({ channels = 64, hasGuidance = true }) => ({
  img_in: linear(kWidth, channels),
  txt_in: linear(kWidth, 4096),
  ...within('time_in.', embedder(kWidth, 256)),
  ...within('vector_in.', embedder(kWidth, 768)),
  ...(hasGuidance && within('guidance_in.', embedder(kWidth, 256))),
  ...doubleBlocks(kWidth, { mlp: plainMlp }),
  ...singleBlocks(kWidth),
  'final_layer.adaLN_modulation.1': linear(2 * kWidth, kWidth),
  'final_layer.linear': linear(64, kWidth),
});

const chromaBody = {
  txt_in: linear(kWidth, 4096),
  ...within('distilled_guidance_layer.', {
    in_proj: linear(5120, 64),
    'layers.{0..4}.{in,out}_layer': linear(5120, 5120),
    'norms.{0..4}': scales(5120),
    out_proj: linear(kWidth, 5120),
  }),
  ...doubleBlocks(kWidth, { mlp: plainMlp, hasModulation: false }),
  ...singleBlocks(kWidth, { hasModulation: false }),
};

const chroma = { img_in: linear(kWidth, 64), ...chromaBody, 'final_layer.linear': linear(64, kWidth) };

const radiance = {
  img_in_patch: convolution(kWidth, 3, 16, 16),
  ...chromaBody,
  'nerf_image_embedder.embedder.0': linear(64, 67),
  'nerf_blocks.{0..3}.norm': scales(64),
  'nerf_blocks.{0..3}.param_generator': linear(49152, kWidth),
  'nerf_final_layer_conv.norm': scales(64),
  'nerf_final_layer_conv.conv': convolution(3, 64, 3, 3),
};

const flux2 = ({ width, context, hasGuidance }) => ({
  img_in: matrix(width, 128),
  txt_in: matrix(width, context),
  ...within('time_in.', embedder(width, 256, false)),
  ...(hasGuidance && within('guidance_in.', embedder(width, 256, false))),
  'double_stream_modulation_{img,txt}.lin': matrix(6 * width, width),
  'single_stream_modulation.lin': matrix(3 * width, width),
  ...doubleBlocks(width, {
    hasBias: false,
    mlp: { 0: matrix(6 * width, width), 2: matrix(width, 3 * width) },
    hasModulation: false,
  }),
  ...singleBlocks(width, { hasBias: false, mlpIn: 6, mlpOut: 3, hasModulation: false }),
  'final_layer.adaLN_modulation.1': matrix(2 * width, width),
  'final_layer.linear': matrix(128, width),
});

const ovis = {
  img_in: linear(kWidth, 64),
  txt_norm: scales(2048),
  txt_in: linear(kWidth, 2048),
  ...within('time_in.', embedder(kWidth, 256)),
  ...doubleBlocks(kWidth, {
    mlp: { '{gate,up}_proj': linear(4 * kWidth, kWidth), down_proj: linear(kWidth, 4 * kWidth) },
  }),
  ...singleBlocks(kWidth, { mlpIn: 8 }),
  'final_layer.adaLN_modulation.1': linear(2 * kWidth, kWidth),
  'final_layer.linear': linear(64, kWidth),
};

const longcat = {
  img_in: linear(kWidth, 64),
  txt_in: linear(kWidth, 3584),
  ...within('time_in.', embedder(kWidth, 256)),
  ...doubleBlocks(kWidth, { mlp: plainMlp }),
  ...singleBlocks(kWidth),
  'final_layer.adaLN_modulation.1': linear(2 * kWidth, kWidth),
  'final_layer.linear': linear(64, kWidth),
};

const kFlux = { comfyui: 'flux', sdcpp: true };

export const FLUX_MODELS = [
  { name: 'flux dev', family: 'flux', ...kFlux, modules: flux({}) },
  {
    name: 'flux schnell',
    family: 'flux',
    ...kFlux,
    modules: flux({ hasGuidance: false }),
    prefix: 'model.diffusion_model.',
  },
  { name: 'flux fill', family: 'flux', ...kFlux, modules: flux({ channels: 384 }) },
  { name: 'chroma', family: 'chroma', ...kFlux, modules: chroma },
  { name: 'chroma radiance', family: 'chroma_radiance', ...kFlux, modules: radiance },
  { name: 'flux 2 dev', family: 'flux2', ...kFlux, modules: flux2({ width: 6144, context: 15360, hasGuidance: true }) },
  {
    name: 'flux 2 klein',
    family: 'flux2',
    ...kFlux,
    modules: flux2({ width: 4096, context: 12288, hasGuidance: false }),
  },
  { name: 'ovis image', family: 'ovis_image', ...kFlux, modules: ovis },
  { name: 'longcat image', family: 'flux', ...kFlux, modules: longcat, pinned: { 'txt_in.weight': [2, 3584] } },
];
