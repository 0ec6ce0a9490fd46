import { describe, expect, test } from '@jest/globals';
import { matrices, plan, planOf, familyNamed, originalSets } from './support/diffusion-plans.mjs';

describe('rules of the caller', () => {
  const rule = (name, type, more = {}) => ({ name: 'mine', when: { name }, type, ...more });
  const kNames = [
    ['double_blocks.0.img_attn.qkv.weight', [768, 256]],
    ['double_blocks.0.img_attn.qkv.bias', [768]],
    ['double_blocks.0.img_attn.norm.query_norm.scale', [128]],
    ['img_in.weight', [256, 64]],
    ['narrow.weight', [256, 96]],
    ['steps', [4], 'I64'],
  ];

  test('give types to what may be quantized, and leave everything else alone', () => {
    const { typeOf } = planOf('flux', kNames, { target: 'Q4_0', rules: [rule(/./u, 'Q8_0')] });
    expect(kNames.map(([name]) => typeOf(name))).toEqual(['Q8_0', 'F32', 'F32', 'keep', 'Q8_0', 'keep']);
  });

  test('let the next rule speak where they do not reach', () => {
    const rules = [rule(/img_attn/u, 'Q6_K'), rule(/bias$/u, 'drop')];
    const { of } = planOf('flux', kNames, { rules });
    expect(of('double_blocks.0.img_attn.qkv.bias')).toEqual({ kind: 'drop', rule: 'mine', asked: true });
  });

  test('reach anything by its whole name, but what has no floats', () => {
    const whole = (name, type) => rule(new RegExp(`^${name}$`, 'u'), type, { isWholeName: true });
    expect(planOf('flux', kNames, { rules: [whole('img_in.weight', 'Q8_0')] }).typeOf('img_in.weight')).toBe('Q8_0');
    expect(() => planOf('flux', kNames, { rules: [whole('steps', 'F16')] })).toThrow(
      /mine cannot apply to tensor "steps": its elements are I64/u,
    );
  });

  test('fall back as llama.cpp does where rows are no whole blocks', () => {
    const { of } = planOf('flux', kNames, { rules: [rule(/narrow/u, 'Q6_K')] });
    expect(of('narrow.weight')).toMatchObject({
      ...{ type: 'Q8_0', insteadOf: 'Q6_K', rule: 'mine, row of 96, no whole blocks of 256: Q8_0' },
    });
  });

  test('that reach nothing are told, with what they would have been about', () => {
    const rules = [rule(/bias$/u, 'Q8_0'), rule(/nothing/u, 'Q8_0'), rule(/bias$/u, 'keep')];
    const { idle } = planOf('flux', kNames, { rules });
    expect(idle.map(({ rule: { when }, passedBy }) => [when.name.source, passedBy])).toEqual([
      ['bias$', { name: 'double_blocks.0.img_attn.qkv.bias', reach: 'unquantized' }],
      ['nothing', null],
    ]);
  });

  test('that keep what the program cannot load as it is make it F32: BF16 of a parameter is no file that opens', () => {
    const pad = [['x_pad_token', [1, 3840]]];
    const { of } = planOf('lumina2', pad, { rules: [rule(/pad/u, 'keep')] });
    expect(of('x_pad_token')).toMatchObject({ type: 'F32', rule: 'parameter' });
  });

  test('that make of a parameter what the program does not load take its word back', () => {
    const rules = [rule(/^x_pad_token$/u, 'Q8_0', { isWholeName: true })];
    const found = planOf('lumina2', [['x_pad_token', [1, 3840]]], { rules });
    expect(found.typeOf('x_pad_token')).toBe('Q8_0');
    expect(found.opensIn).toEqual([]);
    expect(found.notIn).toContain('ComfyUI-GGUF');
    expect(found.notes.at(-1)).toMatch(/A rule gives "x_pad_token" a type that it does not load as/u);
  });
});

describe('what has the names of a family, and is none of it', () => {
  test.each([
    ['flux', ['controlnet_blocks.0.weight']],
    ['flux', ['input_hint_block.0.weight']],
    ['qwen_image', ['controlnet_x_embedder.weight']],
    ['sd1', ['controlnet_cond_embedding.conv_in.weight']],
  ])('is told: a ControlNet of %s, by %j', (family, names) => {
    const tensors = [...matrices(originalSets(familyNamed(family))[0]), ...matrices({ has: names })];
    expect(() => plan(tensors)).toThrow(
      expect.objectContaining({ code: 'unsupported_model', message: expect.stringContaining('it is a ControlNet') }),
    );
  });

  test('is told: SVD in the layout of diffusers', () => {
    const has = [
      'down_blocks.0.downsamplers.0.conv.weight',
      'down_blocks.0.attentions.0.temporal_transformer_blocks.0.attn1.to_q.weight',
      'add_embedding.linear_1.weight',
    ];
    expect(() => plan(matrices({ has }))).toThrow(/it is svd, which ComfyUI-GGUF does not open/u);
  });

  test('is told: Hunyuan3D, which has the blocks of Flux', () => {
    const has = ['double_blocks.0.img_attn.proj.weight', 'latent_in.weight'];
    expect(() => plan(matrices({ has }))).toThrow(/architecture is not known/u);
  });
});

test('the projections of SDXL were convolutions in GGUFs of stable-diffusion.cpp; they are matrices for ComfyUI', () => {
  const prefix = 'model.diffusion_model.';
  const tensors = [
    ...matrices(originalSets(familyNamed('sdxl'))[1], prefix),
    [`${prefix}input_blocks.4.1.proj_in.weight`, [640, 640, 1, 1], 'F16'],
    [`${prefix}input_blocks.4.0.skip_connection.weight`, [640, 320, 1, 1], 'F16'],
  ];
  const { of, typeOf } = plan(tensors, { hasFinalNames: true, target: 'Q8_0' });
  expect(of(`${prefix}input_blocks.4.1.proj_in.weight`)).toMatchObject({
    ...{ outputName: 'input_blocks.4.1.proj_in.weight', outputShape: [640, 640], keyValues: [] },
  });
  expect(typeOf(`${prefix}input_blocks.4.1.proj_in.weight`)).toBe('Q8_0');
  expect(of(`${prefix}input_blocks.4.0.skip_connection.weight`).outputShape).toEqual([640, 320, 1, 1]);
});

test('a checkpoint of a model that nobody knows was called a text encoder for the one that is in it', () => {
  const tensors = matrices({
    has: ['model.diffusion_model.down.0.weight', 'cond_stage_model.text_model.encoder.layers.0.mlp.fc1.weight'],
  });
  expect(() => plan(tensors)).toThrow(/its architecture is not known/u);
});

test('a text encoder is offered to stable-diffusion.cpp only where that takes it', () => {
  const t5 = { has: ['shared.weight', 'encoder.block.0.layer.0.SelfAttention.q.weight'] };
  expect(() => plan(matrices(t5))).toThrow(/T5.*stable-diffusion\.cpp takes it as it is/u);
  const part = { has: ['encoder.block.0.layer.0.SelfAttention.q.weight'] };
  expect(() => plan(matrices(part))).toThrow(
    /T5.*give the folder that has its config\.json and its tokenizer, or hf:organization\/model; archi/u,
  );
});
