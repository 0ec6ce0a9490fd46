import { describe, expect, test } from '@jest/globals';
import { planTypes } from '../../support/internals.mjs';

/**
 * Whether the program's own converter gives the tensor the type that is asked for: `tensor_should_be_converted` of its
 * model_loader.cpp, in own words.
 */
function isConverted(name, row, blockWeights) {
  if (row % blockWeights !== 0) return false;
  if (['.bias', '.scale', '.weight_scale'].some((end) => name.endsWith(end))) return false;
  const kept = [
    ...['img_in.', 'txt_in.', 'time_in.', 'vector_in.', 'guidance_in.', 'final_layer.'],
    ...['x_embedder.', 't_embedder.', 'y_embedder.', 'pos_embed', 'context_embedder.'],
    ...['time_embed.', 'label_emb.', 'embedding'],
  ];
  return !kept.some((part) => name.includes(part));
}

/** Makes it Flux. */
const kSign = ['double_blocks.0.img_attn.qkv.weight', [768, 256]];

/** `tensors` are [name, shape, dtype = BF16]; gives what is said of each by name. */
function planOf(tensors, { target = 'Q8_0', ...more } = {}) {
  const described = [kSign, ...tensors].map(([name, shape, dtype = 'BF16']) => {
    const elements = shape.reduce((count, extent) => count * extent, 1);
    return { name, dtype, shape, elements, ...(dtype.startsWith('F8_') && { keptAs: 'F16' }) };
  });
  const plan = planTypes({ tensors: described, target, hasFinalNames: false, program: 'sd.cpp', ...more });
  const of = (name) => plan.decisions[described.findIndex((tensor) => tensor.name === name)];
  return { ...plan, of, typeOf: (name) => (of(name).kind === 'convert' ? of(name).type : of(name).kind) };
}

const kMatrices = [
  ...['img_in', 'txt_in', 'time_in.in_layer', 'vector_in.out_layer', 'guidance_in.in_layer', 'final_layer.linear'],
  ...['x_embedder.proj', 't_embedder.mlp.0', 'y_embedder.mlp.2', 'context_embedder', 'time_embed.0', 'label_emb.0.0'],
  ...['text_model.embeddings.token_embedding', 'time_embedding.linear_1', 'single_blocks.0.linear1', 'txt_mod.lin'],
  ...['double_blocks.1.img_mlp.0', 'cond_stage_model.model.transformer.resblocks.0.attn.out_proj', 'a.proj_out'],
].map((module) => `${module}.weight`);

describe.each([
  ['Q8_0', 32],
  ['Q4_0', 32],
  ['Q4_K_M', 256],
  ['Q6_K', 256],
])('%s', (target, blockWeights) => {
  test.each(kMatrices)('%s: as the program itself has it', (name) => {
    const { typeOf } = planOf([[name, [512, 512]]], { target });
    // A table of words is not read as BF16.
    const left = name.includes('token_embedding') ? 'F16' : 'keep';
    const expected = isConverted(name, 512, blockWeights) ? target.replace(/_M$/, '') : left;
    expect([name, typeOf(name)]).toEqual([name, expected]);
  });
});

test('the table of matrices has both kinds', () => {
  const converted = kMatrices.filter((name) => isConverted(name, 512, 32));
  expect([converted.length > 3, converted.length < kMatrices.length - 3]).toEqual([true, true]);
});

test('norms, biases, scales, tables and what newer models have of time embeddings stay', () => {
  const names = {
    ...{ 'a.norm.weight': [512], 'a.bias': [4, 512], 'a.norm.query_norm.scale': [512], pos_embed: [1, 4, 512] },
    ...{ 'blocks.0.modulation': [1, 6, 512], scale_shift_table: [6, 512], 'a.weight_scale': [512, 512] },
    ...{ 'adaln_single.linear.weight': [512, 512], 'time_text_embed.timestep_embedder.linear_1.weight': [512, 512] },
    ...{ 'encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight': [32, 64] },
    ...{ text_projection: [512, 512] },
  };
  const { typeOf, notes } = planOf(Object.entries(names));
  for (const name of Object.keys(names)) expect([name, typeOf(name)]).toEqual([name, 'keep']);
  expect(notes).toHaveLength(1);
});

test('fp8 that stays becomes F16, what has no floats stays what it is', () => {
  const { typeOf } = planOf([
    ['img_in.weight', [512, 64], 'F8_E4M3'],
    ['a.lin.weight', [512, 64], 'F8_E5M2 scaled'],
    ['a.steps.weight', [64, 64], 'I32'],
  ]);
  expect(typeOf('img_in.weight')).toBe('F16');
  expect(typeOf('a.lin.weight')).toBe('Q8_0');
  expect(typeOf('a.steps.weight')).toBe('keep');
});

test.each([
  ['F32', 'F16'],
  ['BF16', 'F16'],
  ['F16', 'keep'],
  ['F8_E4M3', 'F16'],
])('a convolution of %s: %s, whatever its name', (dtype, expected) => {
  const { typeOf, of } = planOf([
    ['first_stage_model.decoder.conv_in.weight', [64, 4, 3, 3], dtype],
    ['x_embedder.proj.weight', [64, 16, 2, 2], dtype],
    ['img_in.proj.weight', [64, 65, 1, 1, 1], dtype],
  ]);
  expect(typeOf('first_stage_model.decoder.conv_in.weight')).toBe(expected);
  expect(typeOf('x_embedder.proj.weight')).toBe(expected);
  expect(typeOf('img_in.proj.weight')).toBe(expected);
  expect(of('img_in.proj.weight').outputShape).toEqual([4160, 1, 1, 1]);
});

test('F32 is for all of them', () => {
  const { typeOf } = planOf(
    [
      ['a.conv.weight', [64, 4, 3, 3]],
      ['a.norm.weight', [64]],
    ],
    { target: 'F32' },
  );
  expect([typeOf('a.conv.weight'), typeOf('a.norm.weight')]).toEqual(['F32', 'F32']);
});

test('the matrices of experts in one tensor are matrices', () => {
  const { typeOf } = planOf([
    ['layers.0.experts.w1', [4, 64, 256]],
    ['blk.0.ffn_up_exps.weight', [4, 64, 256]],
  ]);
  expect([typeOf('layers.0.experts.w1'), typeOf('blk.0.ffn_up_exps.weight')]).toEqual(['Q8_0', 'Q8_0']);
});

test.each([
  ['Q4_K_M', 'Q5_0'],
  ['Q5_K_M', 'Q5_1'],
  ['Q6_K', 'Q8_0'],
  ['Q3_K_S', 'Q4_0'],
  ['IQ4_XS', 'Q4_0'],
  ['IQ4_NL', 'Q4_0'],
  ['Q8_0', 'Q8_0'],
  ['Q4_1', 'Q4_1'],
  ['F16', 'F16'],
])('%s: tables of words are %s, in which the program looks rows up', (target, expected) => {
  const { typeOf, of } = planOf([['shared.weight', [64, 512]]], { target });
  expect(typeOf('shared.weight')).toBe(expected);
  expect(of('shared.weight').insteadOf).toBeUndefined();
});

/** Makes it Anima. */
const kAnima = [
  ...['blocks.0.mlp.layer1.weight', 'blocks.0.adaln_modulation_cross_attn.1.weight'],
  'llm_adapter.blocks.0.cross_attn.q_proj.weight',
].map((name) => [name, [64, 256]]);

test.each([
  ['BF16', 'F16'],
  ['F16', 'keep'],
  ['F32', 'keep'],
  ['F8_E4M3', 'F16'],
])('a table of words of %s that is not quantized: %s, since BF16 would become F32 in memory', (dtype, expected) => {
  const tables = ['text_model.embeddings.token_embedding.weight', 'llm_adapter.embed.weight'];
  const { typeOf } = planOf([...kAnima, ...tables.map((name) => [name, [64, 512], dtype])], { target: 'Q4_K_M' });
  expect(tables.map(typeOf)).toEqual([expected, expected]);
});

test('an indicator of two rows stays', () => {
  const { typeOf } = planOf([['embed_image_indicator.weight', [2, 2048]]], { target: 'Q4_K_M' });
  expect(typeOf('embed_image_indicator.weight')).toBe('keep');
});

test('rows that are no whole blocks fall back, and rows that fill none stay', () => {
  const { of } = planOf(
    [
      ['a.l.weight', [64, 320]],
      ['b.l.weight', [64, 40]],
    ],
    { target: 'Q4_K_S' },
  );
  expect(of('a.l.weight')).toMatchObject({ kind: 'convert', type: 'Q5_0', insteadOf: 'Q4_K' });
  expect(of('b.l.weight')).toMatchObject({ kind: 'keep', insteadOf: 'Q4_K', rule: 'row of 40, no whole blocks' });
});

test('what the program never reads is left out, by the name that it has there', () => {
  const names = [
    ...['betas', 'alphas_cumprod_prev', 'posterior_mean_coef1', 'model_ema.decay', 'ztsnr', 'embedding_manager.x'],
    ...['cond_stage_model.model.logit_scale', 'diffusion_model.time_embedding.cond_proj.weight'],
    'text_encoders.t5xxl.transformer.encoder.embed_tokens.weight',
  ];
  const { typeOf, notes } = planOf([...names.map((name) => [name, [64, 64]]), ['alphas_cumprod', [1000]]]);
  for (const name of names.filter((one) => !one.startsWith('diffusion_model.'))) {
    expect([name, typeOf(name)]).toEqual([name, 'drop']);
  }
  expect(typeOf('alphas_cumprod')).toBe('keep');
  expect(notes.at(-1)).toBe('8 tensors are left out: never read by stable-diffusion.cpp.');
});

test('U8 is skipped, but not where it is weights', () => {
  const { typeOf } = planOf([
    ['spiece_model', [9], 'U8'],
    ['a.comfy_quant', [9], 'U8'],
    ['a.weight', [9], 'U8'],
    ['experts.gate_up_proj_blocks', [9], 'U8'],
  ]);
  expect(['spiece_model', 'a.comfy_quant', 'a.weight', 'experts.gate_up_proj_blocks'].map(typeOf)).toEqual([
    ...['drop', 'drop', 'keep', 'keep'],
  ]);
});

describe('rules', () => {
  const rule = (name, type, more = {}) => ({
    name: `rule ${name}`,
    when: { name: new RegExp(name, 'u') },
    type,
    ...more,
  });

  test('give types to what may be quantized, and to others by their whole names', () => {
    const tensors = [
      ['a.l.weight', [64, 512]],
      ['img_in.weight', [64, 512]],
      ['a.l.bias', [512]],
    ];
    const { typeOf } = planOf(tensors, {
      rules: [rule('^img_in.weight$', 'Q4_0', { isWholeName: true }), rule('a|img_in', 'Q5_0')],
    });
    expect(tensors.map(([name]) => typeOf(name))).toEqual(['Q5_0', 'Q4_0', 'keep']);
  });

  test('that match only what is never read have no effect', () => {
    const { idle } = planOf([['betas', [1000]]], { rules: [rule('betas', 'F16')] });
    expect(idle).toMatchObject([{ passedBy: { name: 'betas', reach: 'left out' } }]);
  });
});
