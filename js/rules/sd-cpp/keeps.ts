import { DIFFUSION_RULES } from '../diffusion/rules.js';
import type { TensorRule } from '../rule.js';

/**
 * What stays unquantized in files for stable-diffusion.cpp. First what its own converter leaves (`tensor_should_be_converted`),
 * by parts of names, then what the general rules of diffusion models keep: its converter would quantize norms, and the time
 * embeddings of newer models.
 */
export const SD_CPP_RULES: readonly TensorRule[] = [
  { name: 'bias', when: { name: /\.bias$/u } },
  { name: 'scale', when: { name: /\.(?:weight_)?scale$/u } },
  { name: 'input or final layer', when: { name: /(?:img|txt|time|vector|guidance)_in\.|final_layer\./u } },
  { name: 'embedder', when: { name: /(?:[xty]|context)_embedder\.|pos_embed/u } },
  { name: 'time or label embedding', when: { name: /time_embed\.|label_emb\./u } },
  { name: 'embedding', when: { name: /embedding|embed_image_indicator/u } },
  ...DIFFUSION_RULES,
];

/** Beginnings of the names of tensors that it never reads (`unused_tensors`): what training has left, and schedules. */
const UNUSED: readonly string[] = [
  'betas',
  'alphas_cumprod_prev',
  'sqrt_alphas_cumprod',
  'sqrt_one_minus_alphas_cumprod',
  'log_one_minus_alphas_cumprod',
  'sqrt_recip_alphas_cumprod',
  'sqrt_recipm1_alphas_cumprod',
  'posterior_variance',
  'posterior_log_variance_clipped',
  'posterior_mean_coef',
  'cond_stage_model.transformer.text_model.embeddings.position_ids',
  'cond_stage_model.1.model.text_model.embeddings.position_ids',
  'cond_stage_model.transformer.vision_model.embeddings.position_ids',
  'cond_stage_model.model.logit_scale',
  'conditioner.embedders.0.transformer.text_model.embeddings.position_ids',
  'conditioner.embedders.0.model.logit_scale',
  'conditioner.embedders.1.model.logit_scale',
  'model.diffusion_model.time_embedding.cond_proj.weight',
  'unet.time_embedding.cond_proj.weight',
  'model_ema.',
  'embedding_manager',
  'denoiser.sigmas',
  'text_encoders.t5xxl.transformer.encoder.embed_tokens.weight',
  'ztsnr',
  'edm_vpred.sigma_min',
  'text_encoders.llm.output.weight',
  'text_encoders.llm.lm_head.',
];

/** The prefixes that the names of a text encoder get when it is read from a file of its own. */
const PREFIXES: Readonly<Record<string, string>> = {
  '--t5xxl': 'text_encoders.t5xxl.transformer.',
  '--llm': 'text_encoders.llm.',
};

/** Whether the program never reads the tensor; `option` is that by which it is given the file. */
export function isUnused(name: string, option: string): boolean {
  const full = `${PREFIXES[option] ?? ''}${name}`;
  return UNUSED.some((beginning) => name.startsWith(beginning) || full.startsWith(beginning));
}

/** Whether it is U8, which the program skips; weights are not meant, without which the file would be of no use. */
export const isSkipped = (name: string, dtype: string): boolean =>
  dtype === 'U8' && !/(?:weight|_blocks|_scales|_packed|absmax|quant_map)$/u.test(name);
