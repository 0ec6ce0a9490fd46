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
    found.set(isWhole || name.startsWith(kPrefix) ? name : kPrefix + name, { type, shape });
  }
  for (const { name, shape } of expected) {
    const stored = isWhole || name.startsWith(kPrefix) ? name : kPrefix + name;
    must(found.has(stored), `${stored} is missing`);
    const other = found.get(stored).shape;
    must(extentsOf(other) === extentsOf(shape), `${name} has a wrong shape: [${other.join()}], not [${shape.join()}]`);
  }
  const version = versionOf(found);
  must(version !== null, 'it does not know what the model is');
  return { version, types: new Map([...found].map(([name, { type }]) => [name, type])) };
}

/** In the order of get_sd_version: what must be a part of some name. */
const kVersions = [
  ['Krea2', `${kPrefix}txtfusion.projector.weight`],
  ['Chroma Radiance', `${kPrefix}nerf_final_layer_conv.`],
  ['SD3', `${kPrefix}joint_blocks.`],
  ['HiDream-O1', 'model.x_embedder.proj1.weight'],
  ['Qwen Image or Mage-Flow', `${kPrefix}transformer_blocks.0.img_mod.1.weight`],
  ['Hunyuan Video', `${kPrefix}txt_in.individual_token_refiner.blocks.0.adaLN_modulation.1.weight`],
  ['Anima', 'llm_adapter.blocks.0.cross_attn.q_proj.weight'],
  ['Ovis Image', `${kPrefix}double_blocks.0.img_mlp.gate_proj.weight`],
  ['Z-Image', `${kPrefix}cap_embedder.0.weight`],
  ['Ernie Image', `${kPrefix}layers.0.adaLN_sa_ln.weight`],
  ['LTX-AV', `${kPrefix}adaln_single.emb.timestep_embedder.linear_1.bias`],
  ['Wan', `${kPrefix}blocks.0.cross_attn.norm_k.weight`],
  ['Flux', `${kPrefix}double_blocks.`],
  ['Flux', `${kPrefix}single_transformer_blocks.`],
  ['SDXL', `${kPrefix}label_emb.0.0.weight`],
  ['SD1 or SD2', `${kPrefix}input_blocks.`],
  ['CLIP', 'text_model.encoder.layers.'],
  ['T5', 'encoder.block.0.layer.0.SelfAttention.q.weight'],
];

const versionOf = (found) => {
  const names = [...found.keys()];
  return kVersions.find(([, part]) => names.some((name) => name.includes(part)))?.[0] ?? null;
};
