import { describe, expect, test } from '@jest/globals';
import { planTypes } from '../../support/internals.mjs';

const kUNet = 'model.diffusion_model.';

/** The plan for matrices of these names. */
const planOf = (names, more = {}) => {
  const tensors = names.map((name) => ({ name, dtype: 'F16', shape: [64, 64], elements: 4096 }));
  return planTypes({ tensors, target: 'Q8_0', hasFinalNames: false, program: 'sd.cpp', ...more });
};

/** By title, the option, and names that tell it. */
const kTransformers = {
  PiD: ['net.lq_proj.latent_proj.0.weight'],
  'Ideogram 4': ['embed_image_indicator.weight'],
  'Krea 2': ['txtfusion.projector.weight'],
  'Chroma Radiance': ['nerf_final_layer_conv.conv.weight', 'double_blocks.0.img_attn.qkv.weight'],
  SD3: ['joint_blocks.0.x_block.attn.qkv.weight'],
  Lens: ['transformer_blocks.0.attn.norm_added_q.weight', 'transformer_blocks.0.img_mlp.w1.weight'],
  MiniT2I: ['net.img_embedder.proj1.weight'],
  'Qwen-Image': ['transformer_blocks.0.img_mod.1.weight', 'transformer_blocks.0.attn.add_q_proj.weight'],
  'HunyuanVideo 1.5': ['txt_in.individual_token_refiner.blocks.0.adaLN_modulation.1.weight'],
  Anima: ['net.llm_adapter.blocks.0.cross_attn.q_proj.weight', 'net.blocks.0.self_attn.q_proj.weight'],
  'SeFi-Image': ['dual_time_embed.semantic_embedder.linear_1.weight'],
  'Ovis-Image': ['double_blocks.0.img_mlp.gate_proj.weight', 'double_blocks.0.img_attn.qkv.weight'],
  'Z-Image': ['cap_embedder.0.weight', 'cap_pad_token', 'layers.0.attention.qkv.weight'],
  'Boogu-Image': ['double_stream_layers.0.img_instruct_attn.processor.img_to_q.weight'],
  'Ernie-Image': ['layers.0.adaLN_sa_ln.weight'],
  'LTX-2': ['adaln_single.emb.timestep_embedder.linear_1.bias', 'audio_patchify_proj.weight'],
  'MiniMax H3': ['video_patch_proj.weight', 'audio_patch_proj.weight'],
  Wan: ['blocks.0.cross_attn.norm_k.weight', 'patch_embedding.weight'],
  'LingBot-Video': ['patch_embedder.weight'],
  'Flux.2': ['double_stream_modulation_img.lin.weight', 'double_blocks.0.img_attn.qkv.weight'],
  Flux: ['double_blocks.0.img_attn.qkv.weight'],
};

describe.each(Object.entries(kTransformers))('%s', (title, names) => {
  const note = (option) => `The model is ${title}: stable-diffusion.cpp takes the file with ${option}.`;

  test.each(['', kUNet])('keeps its names, which begin with %j', (prefix) => {
    const full = names.map((name) => prefix + name);
    const { notes, decisions, opensIn } = planOf(full);
    expect(notes).toEqual([note('--diffusion-model')]);
    expect(decisions.map(({ outputName }) => outputName)).toEqual(full);
    expect(opensIn).toContain('stable-diffusion.cpp');
  });

  test('in a checkpoint with other parts, too', () => {
    const { notes, decisions } = planOf([...names.map((name) => kUNet + name), 'vae.decoder.conv_in.weight']);
    expect(notes).toEqual([note('-m')]);
    expect(decisions).toHaveLength(names.length + 1);
    expect(decisions.some(({ kind }) => kind === 'drop')).toBe(false);
  });

  test.each(['diffusion_model.', 'transformer.', 'unet.', `${kUNet}${kUNet}`])(
    'gets the prefix that the program expects instead of %s',
    (prefix) => {
      const { notes, decisions } = planOf(names.map((name) => prefix + name));
      expect(notes).toEqual([note('--diffusion-model')]);
      expect(decisions.map(({ outputName }) => outputName)).toEqual(names.map((name) => kUNet + name));
    },
  );
});

const kTable = 'text_model.embeddings.token_embedding.weight';
test.each([
  ['SDXL', '-m', [`${kUNet}input_blocks.0.0.weight`, 'conditioner.embedders.1.model.ln_final.weight']],
  ['SDXL', '-m', ['unet.down_blocks.0.resnets.0.conv1.weight', 'te.1.text_model.final_layer_norm.weight']],
  ['SD 1 or 2', '-m', [`${kUNet}input_blocks.0.0.weight`, `cond_stage_model.transformer.${kTable}`]],
  ['SD 1 or 2', '-m', [`${kUNet}input_blocks.0.0.weight`, 'cond_stage_model.model.token_embedding.weight']],
  ['SD 1 or 2', '-m', ['unet.down_blocks.0.resnets.0.conv1.weight', `te.${kTable}`]],
  ['SD 1 or 2', '-m', [`diffusion_model.input_blocks.0.0.weight`, `cond_stage_model.transformer.${kTable}`]],
  ['HiDream-O1', '-m', ['model.x_embedder.proj1.weight', 'model.language_model.layers.0.self_attn.q_proj.weight']],
  ['a T5 encoder', '--t5xxl', ['shared.weight', 'encoder.block.0.layer.0.SelfAttention.q.weight']],
  ['a T5 encoder', '--t5xxl', ['token_embd.weight', 'enc.blk.0.attn_q.weight']],
  ['a CLIP text encoder', '--clip_l or --clip_g', [kTable, 'text_model.encoder.layers.0.mlp.fc1.weight']],
  [
    ...['a CLIP vision encoder', '--clip_vision'],
    ['vision_model.embeddings.class_embedding', 'vision_model.encoder.layers.0.mlp.fc1.weight'],
  ],
  ...[
    ['model.layers.0.self_attn.q_norm.weight', 'model.layers.0.pre_feedforward_layernorm.weight'],
    ['visual.patch_embed.proj.weight'],
    ['model.layers.0.self_attn.sinks'],
  ].map((signs) => [
    ...['a language model as text encoder', '--llm'],
    ['model.embed_tokens.weight', 'model.layers.0.self_attn.q_proj.weight', ...signs],
  ]),
  ...['attn_q_norm', 'post_ffw_norm', 'attn_sinks'].map((module) => [
    ...['a language model as text encoder', '--llm'],
    ['token_embd.weight', 'blk.0.attn_q.weight', `blk.0.${module}.weight`],
  ]),
  ['the vision part of a language model', '--llm_vision', ['v.patch_embd.weight', 'v.blk.0.attn_q.weight']],
  ['an autoencoder', '--vae', ['decoder.conv_in.weight', 'decoder.mid.block_1.conv1.weight']],
  ['an autoencoder', '--vae', ['decoder.conv_in.weight', 'decoder.mid_block.resnets.0.conv1.weight']],
  ['an autoencoder', '--vae', ['decoder.conv1.weight', 'decoder.middle.0.residual.0.gamma']],
  ['an autoencoder', '--vae', ['decoder.conv_in.conv.weight']],
  ...['', 'control_model.'].map((prefix) => [
    ...['a control net', '--control-net'],
    [`${prefix}input_hint_block.0.weight`, `${prefix}zero_convs.0.0.weight`, `${prefix}input_blocks.0.0.weight`],
  ]),
])('%s is given with %s', (title, option, names) => {
  const { notes, architecture } = planOf(names);
  expect(notes).toEqual([`The model is ${title}: stable-diffusion.cpp takes the file with ${option}.`]);
  expect(architecture).toBeNull();
});

test.each([['first_stage_model.'], ['vae.']])(
  'an autoencoder loses the prefix %s, which the program adds',
  (prefix) => {
    const names = ['decoder.conv_in.weight', 'decoder.mid.block_1.conv1.weight'];
    const { decisions } = planOf(names.map((name) => prefix + name));
    expect(decisions.map(({ outputName }) => outputName)).toEqual(names);
  },
);

describe('is refused', () => {
  const kDiffusers = /layout of the library diffusers; take the file in the original layout/;
  const kUnknown = /knows no model with these names/;
  const kControl = /ControlNets of Stable Diffusion in the original layout only; quantize the model/;
  const kOther = /no other language model; leave out "for"/;
  const kAlone = /does not know a U-Net without its text encoders; take the whole checkpoint/;
  test.each([
    ['a U-Net alone', ['input_blocks.0.0.weight'], kAlone],
    ['a U-Net alone, with its prefix', [`${kUNet}input_blocks.0.0.weight`], kAlone],
    ['a U-Net of diffusers', ['down_blocks.0.resnets.0.conv1.weight'], kAlone],
    [
      'the refiner of SDXL',
      [
        `${kUNet}input_blocks.0.0.weight`,
        `${kUNet}label_emb.0.0.weight`,
        'conditioner.embedders.0.model.token_embedding.weight',
      ],
      /does not have the refiner of SDXL/,
    ],
    [
      'SVD',
      [`${kUNet}input_blocks.8.0.time_mixer.mix_factor`, 'conditioner.embedders.0.open_clip.model.visual.proj'],
      /does not have SVD/,
    ],
    ['Flux of diffusers', ['single_transformer_blocks.0.attn.to_q.weight'], kDiffusers],
    ['the same with a prefix', ['transformer.single_transformer_blocks.0.attn.to_q.weight'], kDiffusers],
    ['SD3 of diffusers', ['transformer_blocks.0.attn.add_q_proj.weight'], kDiffusers],
    ['Z-Image of diffusers', ['cap_embedder.0.weight', 'cap_pad_token', 'layers.0.attention.to_q.weight'], kDiffusers],
    ['Lumina 2', ['cap_embedder.0.weight', 'layers.0.attention.qkv.weight'], kUnknown],
    ['LTX-Video', ['adaln_single.emb.timestep_embedder.linear_1.bias', 'patchify_proj.weight'], kUnknown],
    [
      'HunyuanVideo 1.0',
      ['txt_in.individual_token_refiner.blocks.0.adaLN_modulation.1.weight', 'single_blocks.0.linear1.weight'],
      kUnknown,
    ],
    [
      'HunyuanImage',
      [
        'txt_in.individual_token_refiner.blocks.0.adaLN_modulation.1.weight',
        'double_blocks.0.img_attn.qkv.weight',
        'single_blocks.0.linear1.weight',
      ],
      kUnknown,
    ],
    ['Wan with a part for speech', [...kTransformers.Wan, 'casual_audio_encoder.weights'], kUnknown],
    ['Wan with sound', [...kTransformers.Wan, 'audio_proj.audio_proj_glob_1.layer.bias'], kUnknown],
    ['Wan with cameras', [...kTransformers.Wan, 'control_adapter.conv.weight'], kUnknown],
    ['Step1X-Edit', [...kTransformers.Flux, 'connector.S.input_embedder.weight'], kUnknown],
    ['Hunyuan3D', [...kTransformers.Flux, 'latent_in.weight', 'cond_in.weight'], /does not have Hunyuan3D/],
    ['a ControlNet of Flux', [...kTransformers.Flux, 'controlnet_blocks.0.weight'], kControl],
    [
      'one with hints, too',
      [...kTransformers.Flux, 'controlnet_blocks.0.weight', 'input_hint_block.0.weight'],
      kControl,
    ],
    [
      'the same with a prefix',
      [...kTransformers.Flux, 'controlnet_blocks.0.weight'].map((name) => kUNet + name),
      kControl,
    ],
    ['a ControlNet of Qwen-Image', [...kTransformers['Qwen-Image'], 'controlnet_x_embedder.weight'], kControl],
    [
      'a ControlNet of diffusers',
      ['down_blocks.0.resnets.0.conv1.weight', 'controlnet_cond_embedding.conv_in.weight'],
      kControl,
    ],
    [
      'a ControlNet that is a LoRA',
      ['lora_controlnet', 'input_hint_block.0.weight', 'zero_convs.0.0.weight'],
      kControl,
    ],
    ['another language model', ['model.embed_tokens.weight', 'model.layers.0.self_attn.q_proj.weight'], kOther],
    ['the same under other names', ['token_embd.weight', 'blk.0.attn_q.weight', 'output.weight'], kOther],
    ['no tensors', [], kUnknown],
  ])('%s', (_, names, text) => {
    let failed;
    try {
      planOf(names, { file: 'x.safetensors' });
    } catch (error) {
      failed = error;
    }
    expect(failed).toMatchObject({ code: 'unsupported_model', file: 'x.safetensors' });
    expect(failed.message).toMatch(text);
  });
});

test('fifty thousand names that mean nothing are refused in no time', () => {
  const names = Array.from({ length: 50_000 }, (_, index) => `${'model.'.repeat(index % 50)}x.${index}`);
  expect(() => planOf(names)).toThrow(/knows no model/);
});

describe('a GGUF of a language model', () => {
  const planned = (architecture, names, words = 1000) => {
    const keyValues = { 'general.architecture': architecture, [`${architecture}.block_count`]: 2 };
    const tensors = ['token_embd.weight', 'output.weight', 'blk.0.attn_q.weight', ...names].map((name) => {
      const shape = [name.startsWith('blk') ? 64 : words, 64];
      return { name, dtype: 'F16', shape, elements: shape[0] * shape[1] };
    });
    const keyValue = (key) => keyValues[key];
    return planTypes({ tensors, target: 'Q8_0', hasFinalNames: true, keyValue, program: 'sd.cpp' });
  };

  test.each([
    ...['qwen2vl', 'qwen3', 'qwen3vl', 'mistral3', 'gemma2', 'gemma3', 'gpt-oss'].map((one) => [one, 1000]),
    ['llama', 131072],
  ])('that says %s, with %i words, is a text encoder; the words that come out of it are listed', (said, words) => {
    const { notes, decisions } = planned(said, [], words);
    expect(notes[0]).toBe(
      'The model is a language model as text encoder: stable-diffusion.cpp takes the file with --llm.',
    );
    expect(decisions.map(({ kind }) => kind === 'drop')).toEqual([false, true, false]);
    expect(notes[1]).toMatch(/^1 tensor is left out/);
  });

  test.each([
    ['llama', 128256],
    ['qwen2', 1000],
    ['qwen3moe', 1000],
    ['deepseek2', 1000],
  ])('that says %s, with %i words, is none, whatever its tensors are called', (said, words) => {
    const text = /no other language model/;
    expect(() => planned(said, [], words)).toThrow(text);
    expect(() => planned(said, ['blk.0.attn_q_norm.weight'], words)).toThrow(text);
  });
});
