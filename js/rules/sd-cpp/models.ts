/**
 * Which files stable-diffusion.cpp opens, and by which names it knows them. Source: its `get_sd_version`, the names that its
 * graphs ask for, and its conversion of names, which cannot join the split attention of diffusers' transformers.
 */

import { isControlNet } from '../control-nets.js';

/** A set of names that a file must have, all of them; one that ends with a dot is the beginning of a name. */
type Names = readonly string[];

interface KnownModel {
  readonly title: string;
  /** Sets of names, one of which must be there. */
  readonly names: readonly Names[];
  /** Of other models, and of layouts that it does not open: none may be there. */
  readonly without?: Names;
}

interface KnownPart extends KnownModel {
  /** The option by which the program is given such a file. */
  readonly option: string;
  /** What GGUFs of it call themselves; only those that do not say are told by their names. */
  readonly architectures?: readonly string[];
}

/** The prefix of a diffusion model in a checkpoint; the program adds it to what `--diffusion-model` names. */
export const MODEL_PREFIX = 'model.diffusion_model.';

/** Z-Image and Lumina 2 in diffusers' layout. */
const SPLIT_ATTENTION = 'layers.0.attention.to_q.weight';

/** Transformers, by names without the prefix. The first that fits counts, in the order in which the program looks. */
const TRANSFORMERS: readonly KnownModel[] = [
  { title: 'PiD', names: [['net.lq_proj.latent_proj.0.weight']] },
  { title: 'Ideogram 4', names: [['embed_image_indicator.weight']] },
  { title: 'Krea 2', names: [['txtfusion.projector.weight'], ['text_fusion.projector.weight']] },
  { title: 'Chroma Radiance', names: [['nerf_final_layer_conv.']] },
  { title: 'SD3', names: [['joint_blocks.0.x_block.attn.qkv.weight']] },
  {
    title: 'Lens',
    names: [['transformer_blocks.0.attn.norm_added_q.weight', 'transformer_blocks.0.img_mlp.w1.weight']],
  },
  { title: 'MiniT2I', names: [['net.img_embedder.proj1.weight']] },
  { title: 'Qwen-Image', names: [['transformer_blocks.0.img_mod.1.weight']] },
  {
    title: 'HunyuanVideo 1.5',
    names: [['txt_in.individual_token_refiner.blocks.0.adaLN_modulation.1.weight']],
    without: ['single_blocks.'],
  },
  {
    title: 'Anima',
    names: [['llm_adapter.blocks.0.cross_attn.q_proj.weight'], ['net.llm_adapter.blocks.0.cross_attn.q_proj.weight']],
  },
  { title: 'SeFi-Image', names: [['dual_time_embed.semantic_embedder.linear_1.weight']] },
  { title: 'Ovis-Image', names: [['double_blocks.0.img_mlp.gate_proj.weight']] },
  { title: 'Z-Image', names: [['cap_embedder.0.weight', 'cap_pad_token']], without: [SPLIT_ATTENTION] },
  { title: 'Boogu-Image', names: [['double_stream_layers.0.img_instruct_attn.processor.img_to_q.weight']] },
  { title: 'Ernie-Image', names: [['layers.0.adaLN_sa_ln.weight']] },
  {
    title: 'LTX-2',
    names: [['adaln_single.emb.timestep_embedder.linear_1.bias', 'audio_patchify_proj.weight']],
  },
  { title: 'MiniMax H3', names: [['video_patch_proj.weight', 'audio_patch_proj.weight']] },
  {
    title: 'Wan',
    names: [['blocks.0.cross_attn.norm_k.weight', 'patch_embedding.weight']],
    without: ['face_adapter.', 'casual_audio_encoder.', 'audio_proj.', 'control_adapter.'],
  },
  { title: 'LingBot-Video', names: [['patch_embedder.weight']] },
  { title: 'Flux.2', names: [['double_stream_modulation_img.lin.weight']] },
  {
    title: 'Flux',
    names: [['double_blocks.0.img_attn.qkv.weight']],
    // Those of HunyuanVideo and HunyuanImage, of Hunyuan3D, and of Step1X-Edit.
    without: ['txt_in.individual_token_refiner.', 'latent_in.', 'connector.'],
  },
];

const SECOND_ENCODERS = ['conditioner.embedders.1.', 'cond_stage_model.1.', 'te.1.'];
/** The tables of words that tell SD 1 from SD 2. */
const FIRST_ENCODERS = [
  'cond_stage_model.transformer.text_model.embeddings.token_embedding.weight',
  'cond_stage_model.model.token_embedding.weight',
  'conditioner.embedders.0.model.token_embedding.weight',
  'conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight',
  'te.text_model.embeddings.token_embedding.weight',
  'text_model.embeddings.token_embedding.weight',
];
const U_NETS = [`${MODEL_PREFIX}input_blocks.`, 'unet.down_blocks.'];
const withUNet = (encoders: readonly string[]): readonly Names[] =>
  U_NETS.flatMap((unet) => encoders.map((encoder) => [unet, encoder]));

/** Whole checkpoints, by their full names: a U-Net alone does not tell the program what it is. */
const CHECKPOINTS: readonly KnownModel[] = [
  {
    title: 'HiDream-O1',
    names: [['model.x_embedder.proj1.weight', 'model.language_model.layers.0.self_attn.q_proj.weight']],
  },
  {
    title: 'SDXL',
    names: withUNet(SECOND_ENCODERS),
    without: [`${MODEL_PREFIX}input_blocks.8.0.time_mixer.mix_factor`],
  },
  // With that it is the refiner of SDXL, which the program does not know.
  { title: 'SD 1 or 2', names: withUNet(FIRST_ENCODERS), without: [`${MODEL_PREFIX}label_emb.`] },
];

/** What tells the language models that it has as text encoders (Qwen3, Qwen2.5-VL, Mistral, Gemma, gpt-oss) from others. */
const ENCODER_SIGNS = [
  'model.layers.0.self_attn.q_norm.weight',
  'visual.patch_embed.proj.weight',
  'tekken_model',
  'model.layers.0.pre_feedforward_layernorm.weight',
  'model.layers.0.self_attn.sinks',
];

/** The same under llama.cpp's names, which Qwen2.5-VL and Mistral share with models that it does not have. */
const BLOCK_SIGNS = ['attn_q_norm', 'post_ffw_norm', 'attn_sinks'].map((module) => `blk.0.${module}.weight`);
const LANGUAGE_MODEL = ['token_embd.weight', 'blk.0.attn_q.weight'];
const ENCODER_ARCHITECTURES = ['qwen2vl', 'qwen3', 'qwen3vl', 'mistral3', 'gemma2', 'gemma3', 'gpt-oss'];

/** What goes with a diffusion model in a file of its own. */
const PARTS: readonly KnownPart[] = [
  {
    title: 'a T5 encoder',
    option: '--t5xxl',
    names: [
      ['shared.weight', 'encoder.block.0.layer.0.SelfAttention.q.weight'],
      ['token_embd.weight', 'enc.blk.0.attn_q.weight'],
    ],
  },
  {
    title: 'a CLIP text encoder',
    option: '--clip_l or --clip_g',
    names: [['text_model.embeddings.token_embedding.weight', 'text_model.encoder.layers.0.mlp.fc1.weight']],
  },
  {
    title: 'a CLIP vision encoder',
    option: '--clip_vision',
    names: [['vision_model.embeddings.class_embedding', 'vision_model.encoder.layers.0.mlp.fc1.weight']],
  },
  {
    title: 'a language model as text encoder',
    option: '--llm',
    architectures: ENCODER_ARCHITECTURES,
    names: [
      ...ENCODER_SIGNS.map((sign) => ['model.embed_tokens.weight', 'model.layers.0.self_attn.q_proj.weight', sign]),
      ...BLOCK_SIGNS.map((sign) => [...LANGUAGE_MODEL, sign]),
    ],
  },
  { title: 'the vision part of a language model', option: '--llm_vision', names: [['v.patch_embd.weight', 'v.blk.']] },
  {
    title: 'an autoencoder',
    option: '--vae',
    names: [
      ['decoder.conv_in.weight', 'decoder.mid.block_1.conv1.weight'],
      ['decoder.conv_in.weight', 'decoder.mid_block.resnets.0.conv1.weight'],
      ['decoder.conv1.weight', 'decoder.middle.0.residual.0.gamma'],
      ['decoder.conv_in.conv.weight'],
    ],
  },
  {
    title: 'a control net',
    option: '--control-net',
    names: ['', 'control_model.'].map((prefix) => [`${prefix}input_hint_block.0.weight`, `${prefix}zero_convs.`]),
    // One that is a LoRA.
    without: ['lora_controlnet'],
  },
];

/** Other beginnings of names that mean the same; the program knows some of them, but not in every kind of file. */
const RENAMINGS: readonly (readonly [RegExp, string])[] = [
  [/^/u, ''],
  [/^(?:(?:model\.)?diffusion_model\.)+/u, MODEL_PREFIX],
  [/^(?:transformer|unet)\./u, MODEL_PREFIX],
  [/^(?:first_stage_model|vae)\./u, ''],
  [/^(?:text_encoders\.t5xxl\.transformer|text_encoders\.llm|text_encoders\.clip_[lg]\.transformer)\./u, ''],
  [/^(?:net|model)\.(?!diffusion_model\.)/u, MODEL_PREFIX],
];

/** A file that the program opens. */
export interface Identified {
  readonly title: string;
  readonly option: string;
  /** The name of a tensor in the output. */
  readonly nameOf: (name: string) => string;
}

const isThere = (wanted: string, names: ReadonlySet<string>): boolean =>
  wanted.endsWith('.') ? [...names].some((name) => name.startsWith(wanted)) : names.has(wanted);

const fits = ({ names: sets, without = [] }: KnownModel, names: ReadonlySet<string>): boolean =>
  sets.some((set) => set.every((name) => isThere(name, names))) && !without.some((name) => isThere(name, names));

const isPartOf = (part: KnownPart, names: ReadonlySet<string>, said: string | undefined): boolean =>
  part.architectures === undefined || said === undefined ? fits(part, names) : part.architectures.includes(said);

/** What the program takes a file with these names for, and with which option; null when it does not know it. */
function knownAs(names: readonly string[], said: string | undefined): Omit<Identified, 'nameOf'> | null {
  const whole = new Set(names);
  const checkpoint = CHECKPOINTS.find((one) => fits(one, whole));
  if (checkpoint !== undefined) return { title: checkpoint.title, option: '-m' };
  const within = names.filter((name) => name.startsWith(MODEL_PREFIX));
  const model = new Set(within.length === 0 ? names : within.map((name) => name.slice(MODEL_PREFIX.length)));
  const transformer = isControlNet(model) ? undefined : TRANSFORMERS.find((one) => fits(one, model));
  if (transformer !== undefined) {
    const isPart = within.length === 0 || within.length === names.length;
    return { title: transformer.title, option: isPart ? '--diffusion-model' : '-m' };
  }
  return PARTS.find((one) => isPartOf(one, whole, said)) ?? null;
}

/**
 * What stable-diffusion.cpp takes a model with these names for. Where they begin in a way that only other programs know, the
 * output's begin as it expects it. `said` is the architecture of a GGUF of a language model. Null when it would not open the
 * file.
 */
export function identify(names: readonly string[], said?: string): Identified | null {
  for (const [pattern, beginning] of RENAMINGS) {
    const nameOf = (name: string): string => name.replace(pattern, beginning);
    const known = knownAs(names.map(nameOf), said);
    if (known !== null) return { title: known.title, option: known.option, nameOf };
  }
  return null;
}

interface Obstacle {
  /** As in KnownModel, but without prefixes. */
  readonly names: readonly Names[];
  readonly why: string;
}

const CONTROL_NET =
  'it has ControlNets of Stable Diffusion in the original layout only; quantize the model that this one is for';
const UNKNOWN =
  'it knows no model with these names; take another program, or architecture "none" to have the file anyway';

/** The first one that fits counts. */
const OBSTACLES: readonly Obstacle[] = [
  { names: [['latent_in.', 'double_blocks.']], why: 'it does not have Hunyuan3D; take another program' },
  {
    names: [LANGUAGE_MODEL, ['model.embed_tokens.weight']],
    why: 'it has Qwen3, Qwen2.5-VL, Mistral, Gemma and gpt-oss as text encoders, and no other language model; leave out "for" to quantize a GGUF of this one for llama.cpp',
  },
  { names: [['input_blocks.8.0.time_mixer.mix_factor']], why: 'it does not have SVD; take another program' },
  {
    names: [['label_emb.', 'conditioner.embedders.0.']],
    why: 'it does not have the refiner of SDXL; take another program',
  },
  {
    names: [['input_blocks.'], ['down_blocks.']],
    why: 'it does not know a U-Net without its text encoders; take the whole checkpoint',
  },
  {
    names: [[SPLIT_ATTENTION], ['single_transformer_blocks.'], ['transformer_blocks.0.attn.add_q_proj.weight']],
    why: 'it does not know this model in the layout of the library diffusers; take the file in the original layout',
  },
];

/** Why it opens no file of these names, in a clause, and what to do. */
export function obstacleTo(names: readonly string[]): string {
  const bare = new Set(
    names.map((name) => name.replace(/^(?:(?:model\.)?diffusion_model|transformer|unet|control_model)\./u, '')),
  );
  if (isControlNet(bare)) return CONTROL_NET;
  const found = OBSTACLES.find((one) => one.names.some((set) => set.every((name) => isThere(name, bare))));
  return found?.why ?? UNKNOWN;
}
