/**
 * What stable-diffusion.cpp's own converter quantizes (`tensor_should_be_converted` in its src/model_loader.cpp), in own words,
 * and what it should not have: it would quantize matrices that embed times and sizes, or lead out of the newer models.
 */

const kEnds = ['.bias', '.scale', '.weight_scale'];
const kParts = [
  ...['img_in.', 'txt_in.', 'time_in.', 'vector_in.', 'guidance_in.', 'final_layer.'],
  ...['x_embedder.', 't_embedder.', 'y_embedder.', 'pos_embed', 'context_embedder.'],
  ...['time_embed.', 'label_emb.', 'embedding'],
];

/** Whether its converter gives a tensor another type, of blocks of `blockWeights`. */
export const isConverted = ({ name, shape }, blockWeights) =>
  (shape.at(-1) ?? 1) % blockWeights === 0 &&
  !kEnds.some((end) => name.endsWith(end)) &&
  !kParts.some((part) => name.includes(part));

/** By family, what leads in and out or makes the modulation of every block, by names without a prefix: all of it stays floats. */
const kSensitive = {
  qwen_image: /^(?:img_in|txt_in|time_text_embed|norm_out|proj_out)\./u,
  mage_flow: /^(?:img_in|txt_in|time_text_embed|norm_out|proj_out)\./u,
  'hunyuan_video_1.5':
    /^(?:img_in|txt_in|time_in|time_r_in|vector_in|guidance_in|byt5_in|vision_in|cond_type_embedding|final_layer)\./u,
  chroma: /^(?:distilled_guidance_layer|img_in|txt_in|final_layer)\./u,
  chroma_radiance: /^(?:distilled_guidance_layer|nerf_\w+|img_in_patch|txt_in)\./u,
  anima: /^(?:llm_adapter|x_embedder|t_embedder|t_embedding_norm|final_layer)\./u,
  ltx2: /^(?:\w*adaln_single|(?:audio_)?(?:caption_projection|patchify_proj|proj_out))\./u,
  wan: /^(?:patch_embedding|text_embedding|time_embedding|time_projection|img_emb|head)\./u,
  ernie_image: /^(?:x_embedder|text_proj|time_embedding|adaLN_modulation|final_norm|final_linear)\./u,
  z_image: /^(?:t_embedder|x_embedder|cap_embedder|context_refiner|noise_refiner|final_layer)\./u,
  krea2: /^(?:first|tmlp|tproj|txtmlp|txtfusion\.projector|last)\./u,
  hidream_o1: /^(?:t_embedder1|x_embedder|final_layer2)\./u,
};

/** Whether nobody should quantize a tensor, whatever the program's own converter does. */
export const isSensitive = ({ family, prefix, part = prefix }, name) =>
  name.startsWith(part) && (kSensitive[family]?.test(name.slice(part.length)) ?? false);
