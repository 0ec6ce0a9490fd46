/**
 * Diffusion models that image programs open as GGUF, one entry a family. Tensor names are those of the models' original
 * code. The facts are those of ComfyUI-GGUF's converter and of its changes to llama.cpp.
 */

import type { Architecture } from '../../types.js';

/** What tells that a model is one of a family. */
export interface Detection {
  /** Names that it has, all of them. */
  readonly has: readonly string[];
  /** Names none of which it has. */
  readonly hasNot?: readonly string[];
  /** Extents of its tensors, for families whose names are alike: the first dimension is 0. */
  readonly extents?: readonly { readonly of: string; readonly dimension: number; readonly is: number }[];
}

export interface DiffusionFamily {
  /** What people call it. That of a family which is the first of its architecture is the architecture's. */
  readonly name: string;
  /** What ComfyUI-GGUF opens it as; null where it does not. */
  readonly architecture: Exclude<Architecture, 'none'> | null;
  /** One of these holds. */
  readonly detect: readonly Detection[];
  /** Names that tell the layout of the library diffusers, which the programs do not read for this family. */
  readonly diffusersLayout?: readonly string[];
  /** Parts of names of matrices that are not quantized; names in full begin with `=`. */
  readonly keep: readonly string[];
  /** Parts of names of tensors that become F32. */
  readonly highPrecision?: readonly string[];
  /** Parts of names of matrices that become F16. */
  readonly half?: readonly string[];
  /** Parts of names of tensors that are no part of a GGUF file. */
  readonly ignore?: readonly string[];
  /** Whether tensors whose rows are no whole blocks are stored as rows of 256, with the shape beside them. */
  readonly reshapes?: true;
  /** Whether tensors of rank 5 are stored, as F32. ggml itself stops at rank 4. */
  readonly rankFive?: true;
  /** Whether stable-diffusion.cpp runs models of the family. */
  readonly runsInSdCpp?: true;
}

const FLUX_KEEP = ['txt_in.', 'img_in.', 'time_in.', 'vector_in.', 'guidance_in.', 'final_layer.'];
const FLUX_NAMES = ['double_blocks.0.img_attn.proj.weight'];

const QWEN_KEEP = ['img_in.', 'txt_in.', 'time_text_embed.', 'norm_out.', '=proj_out.weight'];
const QWEN_NAMES = [
  'time_text_embed.timestep_embedder.linear_2.weight',
  'transformer_blocks.0.attn.norm_added_q.weight',
  'transformer_blocks.0.img_mlp.net.0.proj.weight',
];

const COSMOS_KEEP = ['p_embedder.', 't_embedder.', 't_embedding_norm.', 'x_embedder.', 'pos_embedder.', 'final_layer.'];
const COSMOS_NAMES = ['blocks.0.mlp.layer1.weight', 'blocks.0.adaln_modulation_cross_attn.1.weight'];

const LTX_KEEP = ['adaln_single.', 'caption_projection.', 'patchify_proj.', 'proj_out.', 'scale_shift_table'];
const LTX_NAMES = [
  'adaln_single.emb.timestep_embedder.linear_2.weight',
  'patchify_proj.weight',
  'transformer_blocks.0.scale_shift_table',
];

const WAN_NAMES = ['blocks.0.self_attn.norm_q.weight', 'text_embedding.2.weight', 'head.modulation'];
const WAN_INPUTS = [
  'face_adapter.fuser_blocks.0.k_norm.weight',
  'casual_audio_encoder.encoder.final_linear.weight',
  'audio_proj.audio_proj_glob_1.layer.bias',
  'control_adapter.conv.weight',
];
const WAN_KEEP = [
  'modulation.',
  'patch_embedding.',
  'text_embedding.',
  'time_projection.',
  'time_embedding.',
  'img_emb.',
  'head.',
];

const LUMINA_KEEP = [
  ...['t_embedder.', 'x_embedder.', 'final_layer.', 'cap_embedder.', 'context_refiner.', 'noise_refiner.'],
  ...['siglip_', 'clip_text_pooled_proj.', 'time_text_embed.'],
];
const LUMINA_NAMES = ['cap_embedder.1.weight', 'context_refiner.0.attention.qkv.weight'];

const HYVID_KEEP = [...FLUX_KEEP, 'byt5_in.', 'time_r_in.', 'vision_in.'];

const UNET_KEEP = [
  'class_embedding.',
  'time_embedding.',
  'add_embedding.',
  'time_embed.',
  'label_emb.',
  'conv_in.',
  'conv_out.',
  '=input_blocks.0.0.weight',
  '=out.2.weight',
];

/** In the order in which they are tried: some families have the others' names as well. */
export const DIFFUSION_FAMILIES: readonly DiffusionFamily[] = [
  {
    name: 'mage_flow',
    architecture: 'qwen_image',
    detect: [
      {
        has: QWEN_NAMES,
        extents: [
          { of: 'txt_norm.weight', dimension: 0, is: 2560 },
          { of: 'proj_out.weight', dimension: 0, is: 128 },
        ],
      },
    ],
    keep: QWEN_KEEP,
    runsInSdCpp: true,
  },
  {
    name: 'qwen_image',
    architecture: 'qwen_image',
    detect: [{ has: QWEN_NAMES }],
    // No converter says so; these are the counterparts of what stays in the other families.
    keep: QWEN_KEEP,
    // An embedding of two rows, in the variant with layers.
    highPrecision: ['addition_t_embedding'],
    runsInSdCpp: true,
  },
  {
    name: 'qwen_image_2.1',
    architecture: 'qwen_image',
    detect: [{ has: ['txt_in.text_norm.weight', 'modulation.1.weight', 'transformer_blocks.0.attn.norm_q.weight'] }],
    keep: [...QWEN_KEEP, '=modulation.1.weight'],
  },
  {
    name: 'hunyuan_video_1.5',
    architecture: 'hyvid',
    detect: [{ has: [...FLUX_NAMES, 'cond_type_embedding.weight'] }],
    keep: HYVID_KEEP,
    // An embedding of three rows, which no module of the program decodes.
    highPrecision: ['cond_type_embedding.'],
    rankFive: true,
    runsInSdCpp: true,
  },
  {
    name: 'hyvid',
    architecture: 'hyvid',
    // The original names, and those that ComfyUI gives it.
    detect: [
      {
        has: ['double_blocks.0.img_attn_proj.weight', 'txt_in.individual_token_refiner.blocks.1.self_attn_qkv.weight'],
      },
      { has: [...FLUX_NAMES, 'txt_in.individual_token_refiner.blocks.1.self_attn.qkv.weight'] },
    ],
    keep: HYVID_KEEP,
    rankFive: true,
  },
  {
    name: 'chroma_radiance',
    architecture: 'flux',
    detect: [{ has: [...FLUX_NAMES, 'distilled_guidance_layer.in_proj.weight', 'nerf_blocks.0.norm.scale'] }],
    keep: [...FLUX_KEEP, 'nerf_', 'img_in_patch.'],
    highPrecision: ['distilled_guidance_layer.in_proj.', 'nerf_image_embedder.'],
    half: ['distilled_guidance_layer.'],
    runsInSdCpp: true,
  },
  {
    name: 'chroma',
    architecture: 'flux',
    detect: [{ has: [...FLUX_NAMES, 'distilled_guidance_layer.in_proj.weight'] }],
    keep: FLUX_KEEP,
    highPrecision: ['distilled_guidance_layer.in_proj.'],
    half: ['distilled_guidance_layer.'],
    runsInSdCpp: true,
  },
  {
    name: 'flux2',
    architecture: 'flux',
    detect: [{ has: [...FLUX_NAMES, 'double_stream_modulation_img.lin.weight'] }],
    keep: FLUX_KEEP,
    runsInSdCpp: true,
  },
  {
    name: 'ovis_image',
    architecture: 'flux',
    detect: [{ has: [...FLUX_NAMES, 'double_blocks.0.img_mlp.gate_proj.weight'] }],
    keep: FLUX_KEEP,
    runsInSdCpp: true,
  },
  {
    name: 'flux',
    architecture: 'flux',
    detect: [
      // SD3.5 in diffusers' layout has that, too.
      { has: ['transformer_blocks.0.attn.norm_added_k.weight'], hasNot: ['pos_embed.proj.weight'] },
      // Hunyuan3D has Flux's blocks.
      { has: FLUX_NAMES, hasNot: ['latent_in.weight'] },
    ],
    diffusersLayout: ['transformer_blocks.0.attn.norm_added_k.weight'],
    keep: FLUX_KEEP,
    runsInSdCpp: true,
  },
  {
    name: 'sd3',
    architecture: 'sd3',
    detect: [
      { has: ['transformer_blocks.0.attn.add_q_proj.weight'] },
      { has: ['joint_blocks.0.x_block.attn.qkv.weight'] },
    ],
    diffusersLayout: ['transformer_blocks.0.attn.add_q_proj.weight'],
    keep: [
      'final_layer.',
      'time_text_embed.',
      'context_embedder.',
      't_embedder.',
      'y_embedder.',
      'x_embedder.',
      '=proj_out.weight',
      '=pos_embed',
    ],
    runsInSdCpp: true,
  },
  {
    name: 'aura',
    architecture: 'aura',
    detect: [
      { has: ['double_layers.3.modX.1.weight'] },
      { has: ['joint_transformer_blocks.3.ff_context.out_projection.weight'] },
    ],
    diffusersLayout: ['joint_transformer_blocks.3.ff_context.out_projection.weight'],
    keep: [
      't_embedder.',
      'init_x_linear.',
      '=modF.1.weight',
      '=cond_seq_linear.weight',
      '=final_linear.weight',
      '=positional_encoding',
      '=register_tokens',
    ],
  },
  {
    name: 'hidream_o1',
    architecture: null,
    detect: [{ has: ['t_embedder1.mlp.0.weight', 'x_embedder.proj1.weight'] }],
    keep: ['t_embedder1.', 'x_embedder.', 'final_layer2.'],
    runsInSdCpp: true,
  },
  {
    name: 'hidream',
    architecture: 'hidream',
    detect: [
      { has: ['caption_projection.0.linear.weight', 'double_stream_blocks.0.block.ff_i.shared_experts.w3.weight'] },
    ],
    keep: ['p_embedder.', 't_embedder.', 'x_embedder.', 'final_layer.', '.ff_i.gate.weight', 'caption_projection.'],
    highPrecision: ['.ff_i.gate.weight', 'img_emb.emb_pos'],
  },
  {
    name: 'anima',
    architecture: 'cosmos',
    detect: [{ has: [...COSMOS_NAMES, 'llm_adapter.blocks.0.cross_attn.q_proj.weight'] }],
    keep: [...COSMOS_KEEP, 'llm_adapter.'],
    highPrecision: ['pos_embedder'],
    ignore: ['_extra_state', 'accum_'],
    runsInSdCpp: true,
  },
  {
    name: 'cosmos',
    architecture: 'cosmos',
    detect: [{ has: COSMOS_NAMES }],
    keep: COSMOS_KEEP,
    highPrecision: ['pos_embedder'],
    ignore: ['_extra_state', 'accum_'],
  },
  {
    name: 'ltx2',
    architecture: 'ltxv',
    detect: [{ has: [...LTX_NAMES, 'audio_patchify_proj.weight'] }],
    keep: LTX_KEEP,
    highPrecision: ['scale_shift_table'],
    runsInSdCpp: true,
  },
  {
    name: 'ltxv',
    architecture: 'ltxv',
    detect: [{ has: LTX_NAMES }],
    keep: LTX_KEEP,
    highPrecision: ['scale_shift_table'],
  },
  {
    // Those that see, hear or steer: Animate, S2V, HuMo, and Fun with cameras.
    name: 'wan_with_inputs',
    architecture: 'wan',
    detect: WAN_INPUTS.map((input) => ({ has: [...WAN_NAMES, input] })),
    keep: [...WAN_KEEP, 'face_encoder.', 'casual_audio_encoder.', 'cond_encoder.', 'frame_packer.', 'audio_proj.'],
    // What no module of the program decodes: a motion encoder of parameters, convolutions of one dimension, three rows.
    highPrecision: [
      ...['.modulation', 'motion_encoder.', 'face_encoder.conv', 'casual_audio_encoder.encoder.conv'],
      'trainable_cond_mask.',
    ],
    rankFive: true,
  },
  {
    name: 'wan',
    architecture: 'wan',
    detect: [{ has: WAN_NAMES }],
    keep: WAN_KEEP,
    highPrecision: ['.modulation'],
    rankFive: true,
    runsInSdCpp: true,
  },
  {
    name: 'ernie_image',
    // As the files of it say that are published: the program asks for a name that it knows, and for nothing more.
    architecture: 'wan',
    detect: [{ has: ['layers.0.adaLN_sa_ln.weight', 'layers.0.mlp.linear_fc2.weight', 'text_proj.weight'] }],
    keep: ['time_embedding.', 'text_proj.', 'x_embedder.', 'adaLN_modulation.', 'final_norm.', '=final_linear.weight'],
    runsInSdCpp: true,
  },
  {
    name: 'svd',
    architecture: null,
    detect: [
      { has: ['input_blocks.1.1.time_stack.0.attn1.to_q.weight', 'label_emb.0.0.weight'] },
      {
        has: [
          'down_blocks.0.downsamplers.0.conv.weight',
          'down_blocks.0.attentions.0.temporal_transformer_blocks.0.attn1.to_q.weight',
        ],
      },
    ],
    keep: UNET_KEEP,
  },
  {
    name: 'sdxl',
    architecture: 'sdxl',
    detect: [
      { has: ['down_blocks.0.downsamplers.0.conv.weight', 'add_embedding.linear_1.weight'] },
      {
        has: [
          'input_blocks.3.0.op.weight',
          'input_blocks.6.0.op.weight',
          'output_blocks.2.2.conv.weight',
          'output_blocks.5.2.conv.weight',
        ],
      },
      { has: ['label_emb.0.0.weight'] },
    ],
    keep: UNET_KEEP,
    reshapes: true,
    runsInSdCpp: true,
  },
  {
    name: 'sd1',
    architecture: 'sd1',
    detect: [
      { has: ['down_blocks.0.downsamplers.0.conv.weight'] },
      {
        has: [
          'input_blocks.3.0.op.weight',
          'input_blocks.6.0.op.weight',
          'input_blocks.9.0.op.weight',
          'output_blocks.2.1.conv.weight',
          'output_blocks.5.2.conv.weight',
          'output_blocks.8.2.conv.weight',
        ],
      },
    ],
    keep: UNET_KEEP,
    reshapes: true,
    runsInSdCpp: true,
  },
  {
    name: 'z_image',
    architecture: 'lumina2',
    detect: [
      { has: [...LUMINA_NAMES, 'x_pad_token'] },
      { has: ['all_x_embedder.2-1.weight', 'context_refiner.0.attention.to_q.weight'] },
    ],
    diffusersLayout: ['all_x_embedder.2-1.weight'],
    keep: LUMINA_KEEP,
    runsInSdCpp: true,
  },
  {
    name: 'lumina2',
    architecture: 'lumina2',
    detect: [{ has: LUMINA_NAMES }],
    keep: LUMINA_KEEP,
  },
  {
    name: 'krea2',
    architecture: null,
    detect: [{ has: ['blocks.0.attn.qknorm.qnorm.scale', 'txtfusion.projector.weight'] }],
    keep: ['=first.weight', 'tmlp.', 'tproj.', 'txtfusion.projector.', 'last.linear.', 'last.modulation.'],
    runsInSdCpp: true,
  },
  {
    name: 'pixart',
    architecture: null,
    detect: [{ has: ['t_block.1.weight', 'blocks.0.cross_attn.q_linear.weight'] }],
    keep: [],
  },
];
