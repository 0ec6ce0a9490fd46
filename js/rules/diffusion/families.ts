/**
 * Diffusion models that image programs open as GGUF, one entry a family. Tensor names are those of the models' original
 * code. The facts are those of ComfyUI-GGUF's converter and of its changes to llama.cpp.
 */

/** The value of `general.architecture`. */
export type Architecture =
  'flux' | 'sd1' | 'sdxl' | 'sd3' | 'aura' | 'hidream' | 'cosmos' | 'ltxv' | 'hyvid' | 'wan' | 'lumina2' | 'qwen_image';

export interface DiffusionFamily {
  readonly architecture: Architecture;
  /** Sets of names; a model that has all of a set is one of the family. */
  readonly detect: readonly (readonly string[])[];
  /** Names that tell the layout of the library diffusers, which the programs do not read for this family. */
  readonly diffusersLayout?: readonly string[];
  /** Parts of names of matrices that are not quantized; names in full begin with `=`. */
  readonly keep: readonly string[];
  /** Parts of names of tensors that become F32, unless they are F16 or F8 already. */
  readonly highPrecision?: readonly string[];
  /** Parts of names of tensors that are no part of a GGUF file. */
  readonly ignore?: readonly string[];
  /** Whether tensors whose rows are no whole blocks are stored as rows of 256, with the shape beside them. */
  readonly reshapes?: true;
  /** Whether tensors of rank 5 are stored, as F32. ggml itself stops at rank 4. */
  readonly rankFive?: true;
}

const FLUX_KEEP = ['txt_in.', 'img_in.', 'time_in.', 'vector_in.', 'guidance_in.', 'final_layer.'];

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
    architecture: 'qwen_image',
    detect: [
      [
        'time_text_embed.timestep_embedder.linear_2.weight',
        'transformer_blocks.0.attn.norm_added_q.weight',
        'transformer_blocks.0.img_mlp.net.0.proj.weight',
      ],
    ],
    // No converter says so; these are the counterparts of what stays in the other families.
    keep: ['img_in.', 'txt_in.', 'time_text_embed.', 'norm_out.', '=proj_out.weight'],
  },
  {
    architecture: 'flux',
    detect: [['transformer_blocks.0.attn.norm_added_k.weight'], ['double_blocks.0.img_attn.proj.weight']],
    diffusersLayout: ['transformer_blocks.0.attn.norm_added_k.weight'],
    keep: FLUX_KEEP,
  },
  {
    architecture: 'sd3',
    detect: [['transformer_blocks.0.attn.add_q_proj.weight'], ['joint_blocks.0.x_block.attn.qkv.weight']],
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
  },
  {
    architecture: 'aura',
    detect: [['double_layers.3.modX.1.weight'], ['joint_transformer_blocks.3.ff_context.out_projection.weight']],
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
    architecture: 'hidream',
    detect: [['caption_projection.0.linear.weight', 'double_stream_blocks.0.block.ff_i.shared_experts.w3.weight']],
    keep: ['p_embedder.', 't_embedder.', 'x_embedder.', 'final_layer.', '.ff_i.gate.weight', 'caption_projection.'],
    highPrecision: ['.ff_i.gate.weight', 'img_emb.emb_pos'],
  },
  {
    architecture: 'cosmos',
    detect: [['blocks.0.mlp.layer1.weight', 'blocks.0.adaln_modulation_cross_attn.1.weight']],
    keep: ['p_embedder.', 't_embedder.', 't_embedding_norm.', 'x_embedder.', 'pos_embedder.', 'final_layer.'],
    highPrecision: ['pos_embedder'],
    ignore: ['_extra_state', 'accum_'],
  },
  {
    architecture: 'ltxv',
    detect: [
      [
        'adaln_single.emb.timestep_embedder.linear_2.weight',
        'transformer_blocks.27.scale_shift_table',
        'caption_projection.linear_2.weight',
      ],
    ],
    keep: ['adaln_single.', 'caption_projection.', 'patchify_proj.', 'proj_out.', 'scale_shift_table'],
    highPrecision: ['scale_shift_table'],
  },
  {
    architecture: 'hyvid',
    detect: [['double_blocks.0.img_attn_proj.weight', 'txt_in.individual_token_refiner.blocks.1.self_attn_qkv.weight']],
    keep: FLUX_KEEP,
    rankFive: true,
  },
  {
    architecture: 'wan',
    detect: [['blocks.0.self_attn.norm_q.weight', 'text_embedding.2.weight', 'head.modulation']],
    keep: [
      'modulation.',
      'patch_embedding.',
      'text_embedding.',
      'time_projection.',
      'time_embedding.',
      'img_emb.',
      'head.',
    ],
    highPrecision: ['.modulation'],
    rankFive: true,
  },
  {
    architecture: 'sdxl',
    detect: [
      ['down_blocks.0.downsamplers.0.conv.weight', 'add_embedding.linear_1.weight'],
      [
        'input_blocks.3.0.op.weight',
        'input_blocks.6.0.op.weight',
        'output_blocks.2.2.conv.weight',
        'output_blocks.5.2.conv.weight',
      ],
      ['label_emb.0.0.weight'],
    ],
    keep: UNET_KEEP,
    reshapes: true,
  },
  {
    architecture: 'sd1',
    detect: [
      ['down_blocks.0.downsamplers.0.conv.weight'],
      [
        'input_blocks.3.0.op.weight',
        'input_blocks.6.0.op.weight',
        'input_blocks.9.0.op.weight',
        'output_blocks.2.1.conv.weight',
        'output_blocks.5.2.conv.weight',
        'output_blocks.8.2.conv.weight',
      ],
    ],
    keep: UNET_KEEP,
    reshapes: true,
  },
  {
    architecture: 'lumina2',
    detect: [['cap_embedder.1.weight', 'context_refiner.0.attention.qkv.weight']],
    keep: ['t_embedder.', 'x_embedder.', 'final_layer.', 'cap_embedder.', 'context_refiner.', 'noise_refiner.'],
  },
];

/** By name, as `--architecture` takes it. */
export const familyOf = (architecture: string): DiffusionFamily | undefined =>
  DIFFUSION_FAMILIES.find((family) => family.architecture === architecture);

/** Prefixes of a model's tensors in a checkpoint that may hold more than the model. */
const CHECKPOINT_PREFIXES = ['model.diffusion_model.', 'model.'];

/** A prefix that either all tensors have, or it is none. */
const COMMON_PREFIX = 'net.';

/** The prefix that the diffusion model's tensors have among `names`; empty when they have none. */
export function prefixOf(names: readonly string[]): string {
  const found = CHECKPOINT_PREFIXES.find((prefix) => names.some((name) => name.startsWith(prefix)));
  if (found !== undefined) return found;
  return names.length > 0 && names.every((name) => name.startsWith(COMMON_PREFIX)) ? COMMON_PREFIX : '';
}

/** The family whose names are among `names` (which have no prefix), and whether their layout is diffusers'. */
export function detectFamily(
  names: ReadonlySet<string>,
): { readonly family: DiffusionFamily; readonly isDiffusersLayout: boolean } | null {
  const family = DIFFUSION_FAMILIES.find(({ detect }) => detect.some((set) => set.every((name) => names.has(name))));
  if (family === undefined) return null;
  return { family, isDiffusersLayout: family.diffusersLayout?.some((name) => names.has(name)) ?? false };
}
