/** Text encoders of image models, and language models, as the library transformers saves them. */
import { linear, matrix, norm, rootMeanSquareNorm, within } from '../patterns.mjs';

const t5 = {
  'shared.weight': [32128, 4096],
  'encoder.embed_tokens.weight': [32128, 4096],
  ...within('encoder.block.{0..1}.', {
    'layer.0.SelfAttention.{q,k,v,o}': matrix(4096, 4096),
    'layer.{0,1}.layer_norm': rootMeanSquareNorm(4096),
    'layer.1.DenseReluDense.wi_{0,1}': matrix(10240, 4096),
    'layer.1.DenseReluDense.wo': matrix(4096, 10240),
  }),
  'encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight': [32, 64],
  'encoder.final_layer_norm': rootMeanSquareNorm(4096),
};

export const clip = (width, layers) => ({
  'text_model.embeddings.token_embedding.weight': [49408, width],
  'text_model.embeddings.position_embedding.weight': [77, width],
  ...within(`text_model.encoder.layers.{${layers}}.`, {
    'self_attn.{q,k,v,out}_proj': linear(width, width),
    'layer_norm{1,2}': norm(width),
    'mlp.fc1': linear(4 * width, width),
    'mlp.fc2': linear(width, 4 * width),
  }),
  'text_model.final_layer_norm': norm(width),
});

const llama = (hasBias, hasNorms) => ({
  'model.embed_tokens.weight': [32000, 4096],
  ...within('model.layers.{0..1}.', {
    'self_attn.{q,k,v}_proj': linear(4096, 4096, hasBias),
    'self_attn.o_proj': matrix(4096, 4096),
    ...(hasNorms && { 'self_attn.{q,k}_norm': rootMeanSquareNorm(128) }),
    'mlp.{gate,up}_proj': matrix(11008, 4096),
    'mlp.down_proj': matrix(4096, 11008),
    '{input,post_attention}_layernorm': rootMeanSquareNorm(4096),
  }),
  'model.norm': rootMeanSquareNorm(4096),
  'lm_head.weight': [32000, 4096],
});

const kText = { comfyui: null, sdcpp: true, kind: 'text encoder' };

export const TEXT_MODELS = [
  { name: 't5xxl', ...kText, modules: t5 },
  { name: 'clip l', ...kText, modules: { ...clip(768, '0..1'), 'text_projection.weight': [768, 768] } },
  { name: 'clip g', ...kText, modules: { ...clip(1280, '0,31'), 'text_projection.weight': [1280, 1280] } },
  { name: 'llama', comfyui: null, sdcpp: false, kind: 'language model', modules: llama(false, false) },
  { name: 'qwen 2', comfyui: null, sdcpp: false, kind: 'language model', modules: llama(true, false) },
  { name: 'qwen 3', comfyui: null, sdcpp: true, kind: 'language model', modules: llama(false, true) },
];
