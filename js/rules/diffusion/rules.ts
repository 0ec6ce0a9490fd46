import { GENERAL_RULES } from '../general.js';
import type { TensorRule } from '../rule.js';

/** Matches names that have one of these (dotted) components, wherever it stands; dots are meant, all else is a pattern. */
const component = (...components: readonly string[]): RegExp =>
  new RegExp(`(?:^|\\.)(?:${components.map((text) => text.replaceAll('.', '\\.')).join('|')})(?:\\.|$)`, 'u');

/**
 * What stays unquantized in diffusion models, their text encoders and autoencoders. The names are those of diffusers, of
 * the original Stable Diffusion, and of the original transformers (Flux, SD3, PixArt, LTX, Wan, HiDream, Aura).
 */
export const DIFFUSION_RULES: readonly TensorRule[] = [
  ...GENERAL_RULES,
  { name: 'fewer than 1024 elements', when: { fewerElementsThan: 1024 } },
  {
    name: 'time embedding',
    when: {
      name: component(
        'time_embed',
        'time_embedding',
        'time_embedder',
        'time_text_embed',
        'timestep_embedder',
        'timestep_embedding',
        't_embedder1?',
        't_embedding',
        't_block',
        'time_in',
        'time_proj',
        'time_projection',
        'time_mlp',
        'tmlp',
        'tproj',
        'guidance_in',
        'guidance_embedder',
        '(?:audio_)?(?:prompt_)?adaln_single',
      ),
    },
  },
  {
    name: 'label embedding',
    when: {
      name: component(
        'label_emb',
        'label_embedder',
        'class_embedding',
        'class_embedder',
        'add_embedding',
        'y_embedder',
        'p_embedder',
        'vector_in',
      ),
    },
  },
  {
    name: 'first convolution',
    when: { name: component('conv_in', 'input_blocks.0.0') },
  },
  {
    name: 'patch embedding',
    when: {
      name: component(
        'pos_embed.proj',
        'patch_embed',
        'patch_embedder',
        'patch_embedding',
        'patch_embeddings',
        '(?:audio_)?patchify_proj',
        'x_embedder',
        'img_in',
        'init_x_linear',
      ),
    },
  },
  {
    name: 'position embedding',
    when: {
      name: component(
        'pos_embed',
        'pos_embedder',
        'pos_embedding',
        'pos_emb',
        'emb_pos',
        'position_embedding',
        'position_embeddings',
        'positional_embedding',
        'positional_encoding',
        'relative_attention_bias',
      ),
    },
  },
  { name: 'modulation table', when: { parameter: /^(?:scale_shift_table|modulation)$/u } },
  { name: 'last convolution', when: { name: component('conv_out', 'out.2') } },
  { name: 'final layer', when: { name: component('final_layer2?', 'final_linear', 'head.head') } },
  // Attention blocks of a UNet have a `proj_out` of their own; the model's is not inside of anything.
  {
    name: 'final layer',
    when: {
      name: /^(?:model\.diffusion_model\.|diffusion_model\.|transformer\.|model\.|net\.)?(?:(?:audio_)?proj_out|last\.linear|final_norm\.linear)\.weight$/u,
    },
  },
];
