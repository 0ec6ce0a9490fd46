/**
 * Models of every family that image programs have, as published files name their tensors. Each has:
 * `name`; `modules` (patterns.mjs); `prefix`, which every tensor's name begins with in the file; `part`, where the diffusion
 * model lies in a whole checkpoint; `family`, what the package calls it; `comfyui`, the architecture under which ComfyUI-GGUF opens it, or null; `sdcpp`, whether
 * stable-diffusion.cpp opens it; `plain`, parts of names of matrices that are no layers of ComfyUI-GGUF; `pinned`, narrow
 * shapes of tensors of which an extent tells the family; `leftOut`, parts of names of what is no part of the model.
 */
import { tensorsOf } from '../patterns.mjs';
import { COSMOS_MODELS } from './cosmos.mjs';
import { DIFFUSERS_MODELS } from './diffusers.mjs';
import { FLUX_MODELS } from './flux.mjs';
import { HUNYUAN_MODELS } from './hunyuan.mjs';
import { LTX_MODELS } from './ltx.mjs';
import { LUMINA_MODELS } from './lumina.mjs';
import { MMDIT_MODELS } from './mmdit.mjs';
import { QWEN_MODELS } from './qwen.mjs';
import { SINGLE_STREAM_MODELS } from './single-stream.mjs';
import { TEXT_MODELS } from './text.mjs';
import { UNET_MODELS } from './unet.mjs';
import { WAN_MODELS } from './wan.mjs';

export const MODELS = [
  ...UNET_MODELS,
  ...FLUX_MODELS,
  ...MMDIT_MODELS,
  ...QWEN_MODELS,
  ...LUMINA_MODELS,
  ...COSMOS_MODELS,
  ...HUNYUAN_MODELS,
  ...LTX_MODELS,
  ...WAN_MODELS,
  ...SINGLE_STREAM_MODELS,
  ...TEXT_MODELS,
  ...DIFFUSERS_MODELS,
].map((model) => ({
  kind: 'diffusion',
  family: model.comfyui,
  prefix: '',
  plain: [],
  pinned: {},
  leftOut: [],
  integers: [],
  ...model,
}));

const sizeOf = (shape) => shape.reduce((count, extent) => count * extent, 1);

/** The tensors of a model as its file has them: `{ name, shape, elements, isInteger }`. */
export const tensorsIn = ({ modules, prefix, integers }) =>
  tensorsOf(modules).map(({ name, shape }) => ({
    name: prefix + name,
    shape,
    elements: sizeOf(shape),
    isInteger: integers.some((end) => name.endsWith(end)),
  }));

const kSmall = 1024;

/** A row as short as it can be, and the same remainder of whole blocks. */
const narrowRow = (row) => (row <= 256 ? row : row % 256 || 256);

/**
 * The same model with fewer weights, of which rules say the same: the rank stays, whether rows and the whole are whole
 * blocks, and whether there are more than 1024 elements.
 */
export function narrowed(model, tensors = tensorsIn(model)) {
  return tensors.map((tensor) => {
    const { name, shape, elements } = tensor;
    const pinned = model.pinned[name.slice(model.prefix.length)];
    if (pinned !== undefined) return { ...tensor, shape: pinned, elements: sizeOf(pinned) };
    if (shape.length < 2 || elements <= kSmall) return tensor;
    const inner = shape.slice(1, -1).map((extent) => Math.min(extent, 8));
    const rest = sizeOf(inner) * narrowRow(shape.at(-1));
    const isLike = (outer) => outer * rest > kSmall && ((outer * rest) % 256 === 0) === (elements % 256 === 0);
    const outer = Array.from({ length: 257 }, (_, index) => index + 1).find(isLike);
    // One row stays one row: it has another rank to ggml.
    const first = shape[0] === 1 ? 1 : Math.max(2, outer ?? shape[0]);
    const narrow = [first, ...inner, narrowRow(shape.at(-1))];
    return { ...tensor, shape: narrow, elements: sizeOf(narrow) };
  });
}

const kRowsForOne = 256;

/** The same model with one row for 256, so that what is in parts in one layout fits together in the other. */
export const proportionate = (model) =>
  tensorsIn(model).map((tensor) => {
    const { shape } = tensor;
    if (shape.length < 2) return tensor;
    const isTall = shape[0] >= 4 * kRowsForOne && shape[0] % kRowsForOne === 0;
    const inner = shape.slice(1, -1).map((extent) => Math.min(extent, 8));
    const narrow = [isTall ? shape[0] / kRowsForOne : shape[0], ...inner, narrowRow(shape.at(-1))];
    return { ...tensor, shape: narrow, elements: sizeOf(narrow) };
  });
