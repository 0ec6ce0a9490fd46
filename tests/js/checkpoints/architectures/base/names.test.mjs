import { expect, test } from '@jest/globals';
import { keptName } from '../../../support/internals.mjs';

test.each([
  ['model.layers.0.mlp.up_proj.weight', 'model.layers.0.mlp.up_proj.weight'],
  ['language_model.model.norm.weight', 'model.norm.weight'],
  ['model.language_model.layers.3.input_layernorm.weight', 'model.layers.3.input_layernorm.weight'],
  ['model.layers.1.mlp.gate.e_score_correction_bias', 'model.layers.1.mlp.gate.e_score_correction.bias'],
])('%s has its place under %s', (name, kept) => {
  expect(keptName(name)).toBe(kept);
});

test.each([
  ['mlp1.0.weight'],
  ['visual.blocks.0.attn.qkv.weight'],
  ['model.vision_tower.encoder.layers.0.mlp.fc1.weight'],
  ['multi_modal_projector.linear_1.weight'],
  ['audio_tower.layers.0.fc1.weight'],
  ['model.layers.0.self_attn.rotary_emb.inv_freq'],
  ['gpt_neox.layers.0.attention.masked_bias'],
  ['gpt_neox.layers.0.attention.bias'],
])('%s is no part of a language model', (name) => {
  expect(keptName(name)).toBeNull();
});
