/** Wan 2.1 and 2.2 with what has been built on them. */
import { convolution, linear, norm, rootMeanSquareNorm, within } from '../patterns.mjs';

const attention = (width) => ({ '{q,k,v,o}': linear(width, width), 'norm_{q,k}': rootMeanSquareNorm(width) });
const imageAttention = (width) => ({ '{k,v}_img': linear(width, width), norm_k_img: rootMeanSquareNorm(width) });

const block = (width, feedForward, hasImage = false) => ({
  modulation: [1, 6, width],
  ...within('{self,cross}_attn.', attention(width)),
  ...(hasImage && within('cross_attn.', imageAttention(width))),
  norm3: norm(width),
  'ffn.0': linear(feedForward, width),
  'ffn.2': linear(width, feedForward),
});

const wan = ({ width = 5120, feedForward = 13824, channels = 16, outputs = 16, hasImage = false, extra = {} }) => ({
  patch_embedding: convolution(width, channels, 1, 2, 2),
  'text_embedding.0': linear(width, 4096),
  'text_embedding.2': linear(width, width),
  'time_embedding.0': linear(width, 256),
  'time_embedding.2': linear(width, width),
  'time_projection.1': linear(6 * width, width),
  ...within('blocks.{0..1}.', block(width, feedForward, hasImage)),
  ...(hasImage &&
    within('img_emb.proj.', { 0: norm(1280), 1: linear(1280, 1280), 3: linear(width, 1280), 4: norm(width) })),
  'head.head': linear(4 * outputs, width),
  'head.modulation': [1, 2, width],
  ...extra,
});

const kWidth = 5120;
const vace = {
  vace_patch_embedding: convolution(1536, 96, 1, 2, 2),
  ...within('vace_blocks.{0..1}.', block(1536, 8960)),
  'vace_blocks.0.before_proj': linear(1536, 1536),
  'vace_blocks.{0..1}.after_proj': linear(1536, 1536),
};

const animate = {
  pose_patch_embedding: convolution(kWidth, 16, 1, 2, 2),
  ...within('motion_encoder.', {
    'enc.net_app.convs.0.0.weight': [32, 3, 1, 1],
    'enc.net_app.convs.0.1.bias': [1, 32, 1, 1],
    'enc.net_app.convs.1.conv{1,2}.0.weight': [64, 32, 3, 3],
    'enc.net_app.convs.1.conv{1,2}.1.bias': [1, 64, 1, 1],
    'enc.net_app.convs.1.skip.1.weight': [64, 32, 1, 1],
    'enc.net_app.convs.8.weight': [512, 512, 4, 4],
    'enc.fc.{0..4}': linear(512, 512),
    'dec.direction.weight': [512, 20],
  }),
  ...within('face_encoder.', {
    'conv1_local.conv': convolution(4096, 512, 3),
    'conv{2,3}.conv': convolution(1024, 1024, 3),
    out_proj: linear(kWidth, 1024),
    padding_tokens: [1, 1, 1, kWidth],
  }),
  ...within('face_adapter.fuser_blocks.0.', {
    linear1_kv: linear(2 * kWidth, kWidth),
    linear1_q: linear(kWidth, kWidth),
    linear2: linear(kWidth, kWidth),
    '{q,k}_norm': rootMeanSquareNorm(128),
  }),
};

const speech = {
  cond_encoder: convolution(kWidth, 16, 1, 2, 2),
  'trainable_cond_mask.weight': [3, kWidth],
  'frame_packer.proj': convolution(kWidth, 16, 1, 2, 2),
  'frame_packer.proj_2x': convolution(kWidth, 16, 2, 4, 4),
  ...within('casual_audio_encoder.', {
    weights: [1, 25, 1, 1],
    'encoder.conv1_{local,global}.conv': convolution(5120, 1024, 3),
    'encoder.conv{2,3}.conv': convolution(2560, 1280, 3),
    'encoder.final_linear': linear(kWidth, kWidth),
    'encoder.padding_tokens': [1, 1, 1, kWidth],
  }),
  ...within('audio_injector.', {
    ...within('injector.0.', attention(kWidth)),
    'injector_adain_layers.0.linear': linear(2 * kWidth, kWidth),
  }),
};

/** Parts of names of parameters that no layer of ComfyUI-GGUF decodes. */
const kPlain = ['motion_encoder.', 'face_encoder.conv', 'casual_audio_encoder.encoder.conv'];
const kWan = { comfyui: 'wan', plain: kPlain };

export const WAN_MODELS = [
  { name: 'wan 2.1 t2v 1.3B', ...kWan, sdcpp: true, modules: wan({ width: 1536, feedForward: 8960 }) },
  {
    name: 'wan 2.1 i2v',
    ...kWan,
    sdcpp: true,
    prefix: 'model.diffusion_model.',
    modules: wan({ channels: 36, hasImage: true, extra: { 'img_emb.emb_pos': [1, 514, 1280] } }),
  },
  { name: 'wan 2.2 14B', ...kWan, sdcpp: true, modules: wan({ channels: 36 }) },
  {
    name: 'wan 2.2 5B',
    ...kWan,
    sdcpp: true,
    modules: wan({ width: 3072, feedForward: 14336, channels: 48, outputs: 48 }),
  },
  {
    name: 'wan 2.1 vace',
    ...kWan,
    sdcpp: true,
    modules: wan({ width: 1536, feedForward: 8960, extra: vace }),
  },
  {
    name: 'wan 2.2 animate',
    family: 'wan_with_inputs',
    ...kWan,
    sdcpp: false,
    modules: wan({ channels: 36, hasImage: true, extra: animate }),
  },
  { name: 'wan 2.2 s2v', family: 'wan_with_inputs', ...kWan, sdcpp: false, modules: wan({ extra: speech }) },
];
