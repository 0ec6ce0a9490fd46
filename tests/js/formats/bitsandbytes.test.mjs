import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { pythonFloat, torchMean } from '../support/internals.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { golden, goldenJson, goldenModel, tensorsIn, writeModelFolder } from '../support/models/model-folder.mjs';
import { bfloatTensor, float32Tensor, readModel } from '../support/models/safetensors.mjs';
import { digests, kTinyLlama } from '../support/models/tiny-llama.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const quantize = (source, options) =>
  quantizer.quantizeFile(source, folder.path('out'), { format: 'bitsandbytes', ...options });
const configOf = () => JSON.parse(readFileSync(folder.path('out/config.json'), 'utf8')).quantization_config;

test.each([
  ['nf4', {}],
  ['nf4_dq', { type: 'NF4', doubleQuant: true }],
  ['fp4', { type: 'fp4' }],
  ['fp4_dq', { type: 'fp4', doubleQuant: true }],
])('as bitsandbytes does it: %s with %j', async (name, options) => {
  const source = ['source/tensors', 'bitsandbytes/tail_source'].flatMap((file) => [
    ...goldenModel(`${file}.safetensors`).tensors.values(),
  ]);
  const input = writeModelFolder(folder.path('in'), source, { model_type: 'llama' });
  await quantize(input, { ...options, rules: [['^lm_head', 'quantize']] });
  const { 'model.embed_tokens.weight': kept, ...made } = tensorsIn(folder.path('out/model.safetensors'));
  expect(made).toEqual(tensorsIn(golden(`bitsandbytes/${name}.safetensors`)));
  expect(kept).toEqual(tensorsIn(golden('source/tensors.safetensors'))['model.embed_tokens.weight']);
});

test.each(Object.entries(goldenJson('transformers-bitsandbytes/outputs.json')))(
  'as transformers saves it: %s',
  async (name, { options, tensors, metadata, config }) => {
    const report = await quantize(kTinyLlama, options);
    expect(digests(folder.path('out/model.safetensors'))).toEqual(tensors);
    expect(readModel(readFileSync(folder.path('out/model.safetensors'))).metadata).toEqual(metadata);
    // What activations are computed in is the caller's choice there; here it is what the model is.
    expect(configOf()).toEqual({ ...config, bnb_4bit_compute_dtype: 'bfloat16' });
    expect(report).toMatchObject({ opensIn: ['transformers'], architecture: 'llama' });
    const { totals, tensors: reports } = report;
    const bytes = Object.values(tensorsIn(folder.path('out/model.safetensors'))).map(([, , text]) => text);
    expect(totals.bytesAfter).toBe(bytes.reduce((sum, text) => sum + Buffer.from(text, 'base64').length, 0));
    expect(reports.find(({ name: one }) => one === 'lm_head.weight')).toMatchObject({ kept: true });
  },
);

test('a whole number would not be read as the threshold that it is', async () => {
  await quantize(kTinyLlama, {});
  expect(readFileSync(folder.path('out/config.json'), 'utf8')).toContain('"llm_int8_threshold": 6.0,');
});

const kTensors = [
  bfloatTensor('model.embed_tokens.weight', [8, 64], 1),
  float32Tensor('model.layers.0.mlp.gate_proj.weight', [7, 33], 2),
  float32Tensor('model.layers.0.mlp.up_proj.weight', [8, 64], 3),
  float32Tensor('model.layers.0.mlp.down_proj.weight', [1100, 1024], 4),
  bfloatTensor('lm_head.weight', [8, 64], 5),
];
const input = (config = { model_type: 'llama' }) => writeModelFolder(folder.path('in'), kTensors, config);

describe('the modules that transformers must not expect to be quantized', () => {
  test('are its own, where nothing else is asked for', async () => {
    await quantize(input(), {});
    expect(configOf()).toMatchObject({ llm_int8_skip_modules: null, bnb_4bit_compute_dtype: 'float32' });
  });

  test('are named where rules keep others, or quantize the head', async () => {
    await quantize(input(), { rules: [['up_proj', 'keep']] });
    expect(configOf().llm_int8_skip_modules).toEqual(['model.layers.0.mlp.up_proj', 'lm_head']);
  });

  test('are none where the head is quantized, too', async () => {
    await quantize(input({ model_type: 'llama', dtype: 'float16' }), { rules: [['lm_head', 'quantize']] });
    expect(configOf()).toMatchObject({ llm_int8_skip_modules: [], bnb_4bit_compute_dtype: 'float16' });
  });
});

test('a matrix without elements stays as it is, and what is written is read again', async () => {
  const empty = float32Tensor('model.layers.0.mlp.extra.weight', [0, 64]);
  const source = writeModelFolder(folder.path('in'), [...kTensors, empty], { model_type: 'llama' });
  await quantize(source, { doubleQuant: true });
  expect(configOf().llm_int8_skip_modules).toEqual(['model.layers.0.mlp.extra', 'lm_head']);
  const { tensors } = await quantizer.inspectFile(folder.path('out'));
  expect(tensors.find(({ name }) => name === empty.name)).toMatchObject({ type: 'F32', shape: [0, 64] });
});

describe('models that transformers has otherwise than their files', () => {
  const kExperts = [0, 1].flatMap((expert) =>
    ['w1', 'w2', 'w3'].map((name, index) =>
      bfloatTensor(`model.layers.0.block_sparse_moe.experts.${expert}.${name}.weight`, [64, 64], index),
    ),
  );
  const mixtral = () =>
    writeModelFolder(
      folder.path('in'),
      [
        bfloatTensor('model.embed_tokens.weight', [8, 64], 1),
        bfloatTensor('model.layers.0.block_sparse_moe.gate.weight', [2, 64], 2),
        bfloatTensor('model.layers.0.self_attn.q_proj.weight', [64, 64], 3),
        ...kExperts,
      ],
      { model_type: 'mixtral' },
    );

  test('experts, of which it makes one tensor, stay as they are and are named', async () => {
    const { tensors } = await quantize(mixtral(), {});
    const quantized = tensors.filter(({ kept }) => !kept).map(({ name }) => name);
    expect(quantized).toEqual(['model.layers.0.self_attn.q_proj.weight']);
    const [before] = kExperts[0].name.split('.0.w1');
    expect(configOf().llm_int8_skip_modules).toEqual([before, before.replace('experts', 'gate'), 'lm_head']);
  });

  test('rules cannot quantize experts', async () => {
    await expect(quantize(mixtral(), { rules: [['experts', 'quantize']] })).rejects.toMatchObject({
      ...{ code: 'invalid_option', message: expect.stringContaining('has no quantized experts') },
    });
  });

  test.each([{}, { architecture: 'none' }])('Falcon is refused: %j', async (options) => {
    await expect(quantize(input({ model_type: 'falcon' }), options)).rejects.toMatchObject({
      ...{ code: 'unsupported_model', message: expect.stringContaining('"falcon" with bitsandbytes') },
    });
    expect(existsSync(folder.path('out'))).toBe(false);
  });
});

test.each([
  ['nf4', false],
  ['nf4', true],
  ['fp4', false],
  ['fp4', true],
])('there and back: %s, double quantization %j', async (type, doubleQuant) => {
  await quantize(input(), { type, doubleQuant });
  await quantizer.dequantizeFile(folder.path('out'), folder.path('back.safetensors'), { dtype: 'F32' });
  const comparison = await quantizer.compareFiles(folder.path('out'), folder.path('back.safetensors'));
  expect(comparison).toMatchObject({ onlyInA: [], onlyInB: [], reshaped: [] });
  expect(comparison.tensors.map(({ name, equal }) => [name, equal])).toEqual(
    kTensors.map(({ name }) => [name, true]).toSorted(),
  );
  const lost = await quantizer.compareFiles(input(), folder.path('out'));
  for (const { name, relativeRmse } of lost.tensors) expect([name, relativeRmse < 0.2]).toEqual([name, true]);
});

test.each([
  [{ type: 'W4A16' }, /type is "W4A16", must be "nf4" or "fp4"/],
  [{ doubleQuant: 'yes' }, /doubleQuant/],
  [{ groupSize: 64 }, /groupSize has no meaning, because the output is a model of bitsandbytes/],
  [{ mix: 'mixed_3_6' }, /mix has no meaning/],
])('refused: %j', async (options, says) => {
  await expect(quantize(input(), options)).rejects.toMatchObject({
    code: 'invalid_option',
    message: expect.stringMatching(says),
  });
  expect(existsSync(folder.path('out'))).toBe(false);
});

describe('numbers as other programs have them', () => {
  test('the mean is the plain one, but for its last digits, for any count', () => {
    for (const count of [0, 1, 7, 8, 31, 32, 33, 511, 512, 513, 8192, 100_003]) {
      const values = Float32Array.from({ length: count }, (_, index) => 0.1 + ((index * 7919) % 1000) / 1000);
      const plain = count === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / count;
      expect(Math.abs(torchMean(values) - plain)).toBeLessThanOrEqual(plain * 2 ** -22);
    }
  });

  test.each([
    [1, '1.0'],
    [0, '0.0'],
    [0.21630887687206268, '0.21630887687206268'],
    [0.0001, '0.0001'],
    [0.00001234, '1.234e-05'],
    [1e-7, '1e-07'],
    [123456789012, '123456789012.0'],
    [1e15, '1000000000000000.0'],
    [1e16, '1e+16'],
    [1.5e300, '1.5e+300'],
  ])('%d is written %s', (value, text) => {
    expect(pythonFloat(value)).toBe(text);
  });
});
