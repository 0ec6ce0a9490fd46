/** HunyuanVideo under its original names and under those of ComfyUI, and HunyuanImage, which is built like it. */
import { linear, norm, rootMeanSquareNorm, within } from '../patterns.mjs';

const scales = { scale: [128] };

/** HunyuanVideo 1.0 as Tencent has published it. */
function original(width) {
  const perceptron = (inputs) => ({ 'mlp.0': linear(width, inputs), 'mlp.2': linear(width, width) });
  return {
    'img_in.proj': { weight: [width, 16, 1, 2, 2], bias: [width] },
    ...within('txt_in.', {
      input_embedder: linear(width, 4096),
      ...within('t_embedder.', perceptron(256)),
      'c_embedder.linear_1': linear(width, 4096),
      'c_embedder.linear_2': linear(width, width),
      ...within('individual_token_refiner.blocks.{0,1}.', {
        'norm{1,2}': norm(width),
        self_attn_qkv: linear(3 * width, width),
        self_attn_proj: linear(width, width),
        'mlp.fc1': linear(4 * width, width),
        'mlp.fc2': linear(width, 4 * width),
        'adaLN_modulation.1': linear(2 * width, width),
      }),
    }),
    'vector_in.in_layer': linear(width, 768),
    'vector_in.out_layer': linear(width, width),
    ...within('{time,guidance}_in.', perceptron(256)),
    ...within('double_blocks.{0..1}.{img,txt}_', {
      'mod.linear': linear(6 * width, width),
      attn_qkv: linear(3 * width, width),
      'attn_{q,k}_norm': rootMeanSquareNorm(128),
      attn_proj: linear(width, width),
      'mlp.fc1': linear(4 * width, width),
      'mlp.fc2': linear(width, 4 * width),
    }),
    ...within('single_blocks.{0..1}.', {
      linear1: linear(7 * width, width),
      linear2: linear(width, 5 * width),
      '{q,k}_norm': rootMeanSquareNorm(128),
      'modulation.linear': linear(3 * width, width),
    }),
    'final_layer.linear': linear(64, width),
    'final_layer.adaLN_modulation.1': linear(2 * width, width),
  };
}

/** What all models under ComfyUI's names have. */
function renamed(width, { context, patch, outputs, blocks }) {
  const perceptron = (inputs) => ({ in_layer: linear(width, inputs), out_layer: linear(width, width) });
  return {
    'img_in.proj': { weight: patch, bias: [width] },
    ...within('txt_in.', {
      input_embedder: linear(width, context),
      ...within('t_embedder.', perceptron(256)),
      ...within('c_embedder.', perceptron(context)),
      ...within('individual_token_refiner.blocks.{0,1}.', {
        'norm{1,2}': norm(width),
        'self_attn.qkv': linear(3 * width, width),
        'self_attn.proj': linear(width, width),
        'mlp.0': linear(4 * width, width),
        'mlp.2': linear(width, 4 * width),
        'adaLN_modulation.1': linear(2 * width, width),
      }),
    }),
    ...within('time_in.', perceptron(256)),
    ...within('byt5_in.', {
      layernorm: norm(1472),
      fc1: linear(2048, 1472),
      fc2: linear(2048, 2048),
      fc3: linear(width, 2048),
    }),
    ...within('double_blocks.{0..1}.{img,txt}_', {
      'mod.lin': linear(6 * width, width),
      'attn.qkv': linear(3 * width, width),
      'attn.norm.{query,key}_norm': scales,
      'attn.proj': linear(width, width),
      'mlp.0': linear(4 * width, width),
      'mlp.2': linear(width, 4 * width),
    }),
    ...blocks,
    'final_layer.linear': linear(outputs, width),
    'final_layer.adaLN_modulation.1': linear(2 * width, width),
  };
}

const video15 = renamed(2048, {
  context: 3584,
  patch: [2048, 65, 1, 1, 1],
  outputs: 32,
  blocks: {
    'cond_type_embedding.weight': [3, 2048],
    'vision_in.proj.0': norm(1152),
    'vision_in.proj.1': linear(1152, 1152),
    'vision_in.proj.3': linear(2048, 1152),
    'vision_in.proj.4': norm(2048),
  },
});

const image21 = renamed(3584, {
  context: 3584,
  patch: [3584, 64, 1, 1],
  outputs: 64,
  blocks: {
    ...within('{time_r,guidance}_in.', { in_layer: linear(3584, 256), out_layer: linear(3584, 3584) }),
    ...within('single_blocks.{0..1}.', {
      linear1: linear(7 * 3584, 3584),
      linear2: linear(3584, 5 * 3584),
      'norm.{query,key}_norm': scales,
      'modulation.lin': linear(3 * 3584, 3584),
    }),
  },
});

/** Parts of names of parameters that no layer of ComfyUI-GGUF decodes. */
const kPlain = ['cond_type_embedding.'];

export const HUNYUAN_MODELS = [
  { name: 'hunyuan video 1.0', comfyui: 'hyvid', sdcpp: false, modules: original(3072), plain: kPlain },
  {
    name: 'hunyuan video 1.5',
    family: 'hunyuan_video_1.5',
    comfyui: 'hyvid',
    sdcpp: true,
    modules: video15,
    plain: kPlain,
  },
  { name: 'hunyuan image 2.1', comfyui: 'hyvid', sdcpp: false, modules: image21, plain: kPlain },
];
