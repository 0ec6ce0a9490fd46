/** Lumina-Image 2 and Z-Image, which is built like it. */
import { linear, matrix, rootMeanSquareNorm, within } from '../patterns.mjs';

function nextDit({ width, queryKeyValue, head, feedForward, context, time, modulation, extra }) {
  const block = {
    'attention.qkv': matrix(queryKeyValue, width),
    'attention.out': matrix(width, width),
    'attention.{q,k}_norm': rootMeanSquareNorm(head),
    'feed_forward.w{1,3}': matrix(feedForward, width),
    'feed_forward.w2': matrix(width, feedForward),
    '{attention,ffn}_norm{1,2}': rootMeanSquareNorm(width),
  };
  return {
    x_embedder: linear(width, 64),
    't_embedder.mlp.0': linear(1024, 256),
    't_embedder.mlp.2': linear(time, 1024),
    'cap_embedder.0': rootMeanSquareNorm(context),
    'cap_embedder.1': linear(width, context),
    ...within('context_refiner.{0,1}.', block),
    ...within('{noise_refiner,layers}.{0,1}.', { ...block, [modulation]: linear(4 * width, time) }),
    'final_layer.adaLN_modulation.1': linear(width, time),
    'final_layer.linear': linear(64, width),
    ...extra,
  };
}

const kPadTokens = { '{x,cap}_pad_token': [1, 3840] };
const zImage = (extra) =>
  nextDit({
    ...{ width: 3840, queryKeyValue: 3 * 3840, head: 128, feedForward: 10240, context: 2560, time: 256 },
    modulation: 'adaLN_modulation.0',
    extra: { ...kPadTokens, ...extra },
  });

const luminaImage = nextDit({
  ...{ width: 2304, queryKeyValue: 3840, head: 96, feedForward: 9216, context: 2304, time: 1024 },
  modulation: 'adaLN_modulation.1',
  extra: {},
});

const kZ = { comfyui: 'lumina2', sdcpp: true };

export const LUMINA_MODELS = [
  {
    name: 'z-image turbo',
    family: 'z_image',
    ...kZ,
    prefix: 'model.diffusion_model.',
    modules: zImage({ norm_final: rootMeanSquareNorm(3840) }),
  },
  { name: 'z-image base', family: 'z_image', ...kZ, modules: zImage({}) },
  { name: 'lumina image 2', comfyui: 'lumina2', sdcpp: false, modules: luminaImage },
];
