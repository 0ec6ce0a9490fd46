/**
 * Whether stable-diffusion.cpp opens a file: what its src/model_io/gguf_io.cpp and ggml ask of it, and whether its
 * get_sd_version finds out what the model is. In own words, after those sources.
 */
import { Buffer } from 'node:buffer';
import { must, readGguf } from './gguf.mjs';

/** It is built with GGML_MAX_NAME=160, and a name needs its last zero byte. */
const kLongestName = 159;
const kMostDimensions = 4;
const kPrefix = 'model.diffusion_model.';

/** Shapes as ggml counts them: four extents at most, without those of 1 at the end that is the slowest. */
function extentsOf(shape) {
  const extents = shape.slice(-kMostDimensions);
  // What has more extents is folded into the slowest of four.
  for (const extent of shape.slice(0, -kMostDimensions)) extents[0] *= extent;
  while (extents.length > 1 && extents[0] === 1) extents.shift();
  return extents.join();
}

/** A name as the program has it: it knows Anima's with and without this second beginning. */
const fullName = (name, isWhole) => (isWhole ? name : `${kPrefix}${name.replace(kPrefix, '').replace(/^net\./u, '')}`);

/**
 * Throws, in one sentence, when the file does not open. `expected` are the tensors that the model has there, by the names
 * of the file, with their shapes; `isWhole` tells a checkpoint, which is given with `-m`, from a diffusion model.
 */
export function openInStableDiffusionCpp(file, { expected, isWhole }) {
  const { keyValues, tensors } = readGguf(file);
  const isFolded = tensors.some(({ shape }) => shape.length > kMostDimensions);
  // ggml stops there, and the reader that steps in for it does not get past arrays.
  must(!isFolded || ![...keyValues.values()].some(({ type }) => type.endsWith('[]')), 'it is of rank 5 and has arrays');
  const found = new Map();
  for (const { name, type, shape } of tensors) {
    must(Buffer.byteLength(name) <= kLongestName, `the name ${name} is too long`);
    found.set(fullName(name, isWhole), { type, shape });
  }
  for (const { name, shape } of expected) {
    const stored = fullName(name, isWhole);
    must(found.has(stored), `${stored} is missing`);
    const other = found.get(stored).shape;
    must(extentsOf(other) === extentsOf(shape), `${name} has a wrong shape: [${other.join()}], not [${shape.join()}]`);
  }
  const version = versionOf(found);
  must(version !== null, 'it does not know what the model is');
  return { version, types: new Map([...found].map(([name, { type }]) => [name, type])) };
}

/** In the order of get_sd_version: parts of names, all of which must be there. */
const kVersions = [
  ['Krea2', `${kPrefix}txtfusion.projector.weight`],
  ['Chroma Radiance', `${kPrefix}nerf_final_layer_conv.`],
  ['SD3', `${kPrefix}joint_blocks.`],
  ['HiDream-O1', 'model.x_embedder.proj1.weight', 'model.language_model.layers.0.self_attn.q_proj.weight'],
  ['Qwen Image or Mage-Flow', `${kPrefix}transformer_blocks.0.img_mod.1.weight`],
  ['Hunyuan Video', `${kPrefix}txt_in.individual_token_refiner.blocks.0.adaLN_modulation.1.weight`],
  ['Anima', 'llm_adapter.blocks.0.cross_attn.q_proj.weight'],
  ['Ovis Image', `${kPrefix}double_blocks.0.img_mlp.gate_proj.weight`],
  ['Z-Image', `${kPrefix}cap_embedder.0.weight`],
  ['Ernie Image', `${kPrefix}layers.0.adaLN_sa_ln.weight`],
  ['LTX-AV', `${kPrefix}adaln_single.emb.timestep_embedder.linear_1.bias`],
  ['Wan', `${kPrefix}blocks.0.cross_attn.norm_k.weight`],
  ['Flux', `${kPrefix}double_blocks.`],
  // A U-Net is told by its text encoders.
  ['SDXL', `${kPrefix}input_blocks.`, 'conditioner.embedders.1'],
  [
    'SD1 or SD2',
    `${kPrefix}input_blocks.`,
    'cond_stage_model.transformer.text_model.embeddings.token_embedding.weight',
  ],
  // Those have options of their own.
  ['CLIP', 'text_model.encoder.layers.0.mlp.fc1.weight'],
  ['T5', 'encoder.block.0.layer.0.SelfAttention.q.weight'],
  ['Qwen 3', 'model.layers.0.self_attn.q_norm.weight'],
];

const versionOf = (found) => {
  const names = [...found.keys()];
  const isThere = (part) => names.some((name) => name.includes(part));
  return kVersions.find(([, ...parts]) => parts.every(isThere))?.[0] ?? null;
};

/** Beginnings of names that it never reads: schedules and what training leaves. */
const kUnused = [
  ...['betas', 'alphas_cumprod_prev', 'sqrt_alphas_cumprod', 'posterior_variance', 'model_ema.'],
  ...['cond_stage_model.', 'conditioner.embedders.0.'].map(
    (part) => `${part}transformer.text_model.embeddings.position_ids`,
  ),
  'conditioner.embedders.1.model.logit_scale',
  // The same words a second time, which only training needs.
  'encoder.embed_tokens.weight',
  // A text encoder says nothing.
  'lm_head.',
];

export const isUnused = (name) => kUnused.some((beginning) => name.startsWith(beginning));
