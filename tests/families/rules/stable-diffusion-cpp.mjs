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
