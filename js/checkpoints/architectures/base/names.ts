/** What llama.cpp's converter does with the names of a language model's tensors before it looks for their place. */

/** How the names of what is no part of the language model begin. */
const FOREIGN_BEGINNINGS = [
  'mlp',
  'vit.',
  'vpm.',
  'siglip2.',
  'conformer.',
  'merger.',
  'resampler.',
  'sound_encoder.',
  'sound_projection.',
  'speech_embeddings.',
];

/** What stands somewhere in the names of what is no part of the language model. */
const FOREIGN_PARTS = [
  'visual.',
  'vision.',
  'audio.',
  'talker.',
  'vision_',
  'audio_',
  'token2wav.',
  'code2wav.',
  'projector.',
  'pre_mm_projector_norm',
  'image_newline',
  'view_seperator',
  'patch_embed',
  'patch_merger.',
  'patch_merge_mlp.',
  'model.connector.',
];

/** How the names of buffers end that no GGUF has. */
const BUFFER_ENDINGS = ['.attention.masked_bias', '.attention.bias', '.rotary_emb.inv_freq'];

/**
 * The name under which a tensor's place is looked for; null for one that the file does not get: parts of a model that see or
 * hear, and buffers. `language_model.` goes wherever it stands.
 */
export function keptName(name: string): string | null {
  if (FOREIGN_BEGINNINGS.some((beginning) => name.startsWith(beginning))) return null;
  if (FOREIGN_PARTS.some((part) => name.includes(part))) return null;
  const scored = name.endsWith('e_score_correction_bias')
    ? name.replaceAll('e_score_correction_bias', 'e_score_correction.bias')
    : name;
  const kept = scored.replaceAll('language_model.', '');
  return BUFFER_ENDINGS.some((ending) => kept.endsWith(ending)) ? null : kept;
}
