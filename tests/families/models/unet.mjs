/** U-Nets: Stable Diffusion 1, 2 and XL, Stable Video Diffusion; alone, in whole checkpoints, and in the layout of diffusers. */
import { convolution, linear, matrix, norm, within } from '../patterns.mjs';
import { clip } from './text.mjs';

const kChannels = 320;

const residual = (inputs, outputs, isVideo) => ({
  'in_layers.0': norm(inputs),
  'in_layers.2': convolution(outputs, inputs, 3, 3),
  'emb_layers.1': linear(outputs, 4 * kChannels),
  'out_layers.0': norm(outputs),
  'out_layers.3': convolution(outputs, outputs, 3, 3),
  ...(inputs !== outputs && { skip_connection: convolution(outputs, inputs, 1, 1) }),
  ...(isVideo &&
    within('time_', {
      'mixer.mix_factor': [1],
      'stack.{in_layers.0,out_layers.0}': norm(outputs),
      'stack.{in_layers.2,out_layers.3}': convolution(outputs, outputs, 3, 1, 1),
      'stack.emb_layers.1': linear(outputs, 4 * kChannels),
    })),
});

const attentionBlock = (width, context) => ({
  'norm{1,2,3}': norm(width),
  'attn{1,2}.to_q': matrix(width, width),
  'attn1.to_{k,v}': matrix(width, width),
  'attn2.to_{k,v}': matrix(width, context),
  'attn{1,2}.to_out.0': linear(width, width),
  'ff.net.0.proj': linear(8 * width, width),
  'ff.net.2': linear(width, 4 * width),
});

const transformer = (width, { depth, context, isLinear, isVideo }) => ({
  norm: norm(width),
  'proj_{in,out}': isLinear ? linear(width, width) : convolution(width, width, 1, 1),
  ...within(`transformer_blocks.{0..${depth - 1}}.`, attentionBlock(width, context)),
  ...(isVideo &&
    within('time_', {
      ...within('stack.0.', attentionBlock(width, context)),
      'stack.0.norm_in': norm(width),
      'stack.0.ff_in.net.0.proj': linear(8 * width, width),
      'stack.0.ff_in.net.2': linear(width, 4 * width),
      'pos_embed.0': linear(4 * width, width),
      'pos_embed.2': linear(width, 4 * width),
      'mixer.mix_factor': [1],
    })),
});

const widthOf = (level) => kChannels * Math.min(2 ** level, 4);

/** `depths` are the transformers at each resolution, `middle` those in the middle; 0 is none. */
function unet(options) {
  const { depths, middle, labels, isVideo = false, inputs = 4 } = options;
  const parts = {};
  const put = (prefix, modules) => Object.assign(parts, within(prefix, modules));
  const attend = (prefix, width, depth) => {
    if (depth > 0) put(prefix, transformer(width, { ...options, depth }));
  };
  const skips = [kChannels];
  let width = kChannels;
  let index = 1;
  depths.forEach((depth, level) => {
    for (let block = 0; block < 2; ++block, ++index) {
      put(`input_blocks.${index}.0.`, residual(width, widthOf(level), isVideo));
      width = widthOf(level);
      attend(`input_blocks.${index}.1.`, width, depth);
      skips.push(width);
    }
    if (level === depths.length - 1) return;
    put(`input_blocks.${index++}.0.`, { op: convolution(width, width, 3, 3) });
    skips.push(width);
  });
  put('middle_block.{0,2}.', residual(width, width, isVideo));
  attend('middle_block.1.', width, middle);
  putOutputs({ put, attend, skips, depths, isVideo });
  return { ...ends(inputs, labels), ...parts };
}

/** The way back up, which takes in what was set aside on the way down. */
function putOutputs({ put, attend, skips, depths, isVideo }) {
  let width = skips.at(-1);
  let index = 0;
  for (let level = depths.length - 1; level >= 0; --level) {
    for (let block = 0; block < 3; ++block, ++index) {
      put(`output_blocks.${index}.0.`, residual(width + skips.pop(), widthOf(level), isVideo));
      width = widthOf(level);
      attend(`output_blocks.${index}.1.`, width, depths[level]);
      if (block < 2 || level === 0) continue;
      put(`output_blocks.${index}.${depths[level] > 0 ? 2 : 1}.`, { conv: convolution(width, width, 3, 3) });
    }
  }
}

const ends = (inputs, labels) => ({
  'time_embed.0': linear(4 * kChannels, kChannels),
  'time_embed.2': linear(4 * kChannels, 4 * kChannels),
  ...(labels !== undefined && {
    'label_emb.0.0': linear(4 * kChannels, labels),
    'label_emb.0.2': linear(4 * kChannels, 4 * kChannels),
  }),
  'input_blocks.0.0': convolution(kChannels, inputs, 3, 3),
  'out.0': norm(kChannels),
  'out.2': convolution(4, kChannels, 3, 3),
});

const kSd1 = { depths: [1, 1, 1, 0], middle: 1, context: 768 };
const sd1 = unet(kSd1);
const sd2 = unet({ ...kSd1, context: 1024, isLinear: true });
const sdxl = unet({ depths: [0, 2, 2], middle: 2, context: 2048, isLinear: true, labels: 2816 });
const video = unet({ ...kSd1, context: 1024, isLinear: true, labels: 768, isVideo: true, inputs: 8 });

const autoencoder = within('first_stage_model.', {
  'encoder.conv_in': convolution(128, 3, 3, 3),
  'encoder.down.0.block.0.norm{1,2}': norm(128),
  'encoder.down.0.block.0.conv{1,2}': convolution(128, 128, 3, 3),
  '{encoder,decoder}.mid.attn_1.norm': norm(512),
  '{encoder,decoder}.mid.attn_1.{q,k,v,proj_out}': convolution(512, 512, 1, 1),
  'encoder.conv_out': convolution(8, 512, 3, 3),
  quant_conv: convolution(8, 8, 1, 1),
  post_quant_conv: convolution(4, 4, 1, 1),
  'decoder.conv_in': convolution(512, 4, 3, 3),
  'decoder.conv_out': convolution(3, 128, 3, 3),
});

/** What training leaves in a checkpoint. */
const training = {
  '{betas,alphas_cumprod,alphas_cumprod_prev,sqrt_alphas_cumprod,posterior_variance}': [1000],
  'model_ema.{decay,num_updates}': [],
  'model_ema.diffusion_model{time_embed0weight,input_blocks00weight}': [kChannels, kChannels],
};

const sd1Checkpoint = {
  ...within('model.diffusion_model.', sd1),
  ...within('cond_stage_model.transformer.', clip(768, '0,11')),
  'cond_stage_model.transformer.text_model.embeddings.position_ids': [1, 77],
  ...autoencoder,
  ...training,
};

const openClip = within('conditioner.embedders.1.model.', {
  'token_embedding.weight': [49408, 1280],
  positional_embedding: [77, 1280],
  text_projection: [1280, 1280],
  logit_scale: [],
  ...within('transformer.resblocks.{0,31}.', {
    'attn.in_proj_weight': [3840, 1280],
    'attn.in_proj_bias': [3840],
    'attn.out_proj': linear(1280, 1280),
    'ln_{1,2}': norm(1280),
    'mlp.c_fc': linear(5120, 1280),
    'mlp.c_proj': linear(1280, 5120),
  }),
  ln_final: norm(1280),
});

const sdxlCheckpoint = {
  ...within('model.diffusion_model.', sdxl),
  ...within('conditioner.embedders.0.transformer.', clip(768, '0,11')),
  'conditioner.embedders.0.transformer.text_model.embeddings.position_ids': [1, 77],
  ...openClip,
  ...autoencoder,
};

const diffusersBlock = (inputs, outputs) => ({
  norm1: norm(inputs),
  'conv{1,2}': convolution(outputs, outputs, 3, 3),
  time_emb_proj: linear(outputs, 4 * kChannels),
  norm2: norm(outputs),
});
const diffusers = {
  conv_in: convolution(kChannels, 4, 3, 3),
  'time_embedding.linear_1': linear(4 * kChannels, kChannels),
  'time_embedding.linear_2': linear(4 * kChannels, 4 * kChannels),
  ...within('down_blocks.0.resnets.{0,1}.', diffusersBlock(kChannels, kChannels)),
  'down_blocks.0.downsamplers.0.conv': convolution(kChannels, kChannels, 3, 3),
  ...within('mid_block.resnets.{0,1}.', diffusersBlock(1280, 1280)),
  'mid_block.attentions.0.proj_{in,out}': linear(1280, 1280),
  ...within('mid_block.attentions.0.transformer_blocks.0.', attentionBlock(1280, 2048)),
  conv_norm_out: norm(kChannels),
  conv_out: convolution(4, kChannels, 3, 3),
};
const diffusersXl = {
  ...diffusers,
  'add_embedding.linear_1': linear(4 * kChannels, 2816),
  'add_embedding.linear_2': linear(4 * kChannels, 4 * kChannels),
};

/** Integers of a checkpoint, by the end of the name. */
const kIntegers = ['position_ids', 'model_ema.num_updates'];

export const UNET_MODELS = [
  { name: 'sd1', family: 'sd1', comfyui: 'sd1', sdcpp: false, modules: sd1 },
  {
    name: 'sd1 checkpoint',
    family: 'sd1',
    comfyui: 'sd1',
    sdcpp: true,
    modules: sd1Checkpoint,
    part: 'model.diffusion_model.',
    integers: kIntegers,
  },
  { name: 'sd1 in the layout of diffusers', family: 'sd1', comfyui: 'sd1', sdcpp: false, modules: diffusers },
  { name: 'sd2', family: 'sd1', comfyui: 'sd1', sdcpp: false, modules: sd2, prefix: 'model.diffusion_model.' },
  { name: 'sdxl', family: 'sdxl', comfyui: 'sdxl', sdcpp: false, modules: sdxl },
  {
    name: 'sdxl checkpoint',
    family: 'sdxl',
    comfyui: 'sdxl',
    sdcpp: true,
    modules: sdxlCheckpoint,
    part: 'model.diffusion_model.',
    integers: kIntegers,
  },
  { name: 'sdxl in the layout of diffusers', family: 'sdxl', comfyui: 'sdxl', sdcpp: false, modules: diffusersXl },
  { name: 'svd', family: 'svd', comfyui: null, sdcpp: false, modules: video, prefix: 'model.diffusion_model.' },
];
