import { expect, test } from '@jest/globals';
import { moduleKinds } from '../../support/internals.mjs';

test.each([
  ['llama', 'model.layers.0.self_attn.q_proj.weight', [8, 8], 'linear'],
  ['llama', 'model.layers.0.self_attn.q_proj.bias', [8], 'other'],
  ['llama', 'model.embed_tokens.weight', [8, 8], 'embedding'],
  ['llama', 'lm_head.weight', [8, 8], 'output'],
  ['llama', 'model.norm.weight', [8], 'other'],
  ['llama', 'model.layers.0.mlp.gate.weight', [8, 8], 'linear'],
  ['mixtral', 'model.layers.0.block_sparse_moe.gate.weight', [8, 8], 'router'],
  ['mixtral', 'model.layers.0.block_sparse_moe.experts.3.w1.weight', [8, 8], 'linear'],
  ['granitemoe', 'model.layers.0.block_sparse_moe.router.layer.weight', [4, 8], 'router'],
  ['qwen2_moe', 'model.layers.0.mlp.shared_expert_gate.weight', [1, 8], 'router'],
  ['opt', 'model.decoder.embed_positions.weight', [8, 8], 'embedding'],
  ['gpt_neox', 'embed_out.weight', [8, 8], 'output'],
  ['internlm2', 'model.tok_embeddings.weight', [8, 8], 'embedding'],
  ['none', 'anything.wte.weight', [8, 8], 'embedding'],
  ['none', 'anything.gate.weight', [8, 8], 'router'],
  ['none', 'weight', [8, 8], 'other'],
  ['none', 'conv.weight', [8, 8, 3], 'other'],
  ['none', 'a.b.weight', [8, 8], 'linear'],
])('of %s, %s of the shape %j is %s', (architecture, name, shape, kind) => {
  expect(moduleKinds(architecture, 'file').kindOf({ name, shape })).toBe(kind);
});

test('the output is known by name where the architecture is', () => {
  expect(moduleKinds('gpt_neox', 'file').output).toBe('embed_out');
  expect(moduleKinds('none', 'file').output).toBe(null);
});

test.each([
  ['lama', /"lama" are linear \(the nearest that is known is "llama"\)/],
  ['constructor', /"constructor" are linear/],
  ['x'.repeat(10_000), /are linear; say which one it is/],
  [null, /nothing tells its architecture: put its config.json beside it/],
])('an architecture that is not known is refused: %s', (architecture, says) => {
  expect(() => moduleKinds(architecture, 'file')).toThrow(expect.objectContaining({ code: 'unsupported_model' }));
  expect(() => moduleKinds(architecture, 'file')).toThrow(says);
});
