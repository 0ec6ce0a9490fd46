import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import { copyGolden, golden, goldenJson, tensorsIn, writeModelFolder } from '../support/models/model-folder.mjs';
import { bfloatTensor, float32Tensor, halfTensor, readModel } from '../support/models/safetensors.mjs';
import { digests, kTinyLlama } from '../support/models/tiny-llama.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const quantize = (source, options) =>
  quantizer.quantizeFile(source, folder.path('out'), { format: 'compressed-tensors', ...options });
const textOf = (name) => readFileSync(folder.path(name), 'utf8');
const configOf = () => JSON.parse(textOf('out/config.json')).quantization_config;

const kHead = { rules: [['^lm_head', 'quantize']] };

test.each([
  ['W4A16', { type: 'W4A16' }],
  ['W4A16_asym_g32', { type: 'W4A16_ASYM', groupSize: 32, ...kHead }],
  ['W4A16_asym_g32', { groupSize: 32, symmetric: false, ...kHead }],
  ['W3A16_sym_g64', { type: 'W3A16', groupSize: 64, ...kHead }],
  ['W8A16', { type: 'W8A16', ...kHead }],
  ['W8A16_asym_g64', { type: 'W8A16_ASYM', groupSize: 64, ...kHead }],
  ['NVFP4A16', { type: 'NVFP4A16', ...kHead }],
  ['MXFP4A16', { type: 'MXFP4A16', ...kHead }],
  ['MXFP8A16', { type: 'MXFP8A16', ...kHead }],
])('as compressed-tensors does it: %s with %j', async (name, options) => {
  const input = copyGolden(folder.path('in'), 'source/tensors.safetensors', { model_type: 'llama' });
  await quantize(input, options);
  expect(tensorsIn(folder.path('out/model.safetensors'))).toEqual(
    tensorsIn(golden(`compressed-tensors/${name}/model.safetensors`)),
  );
  expect(textOf('out/config.json').trim()).toBe(
    readFileSync(golden(`compressed-tensors/${name}/config.json`), 'utf8').trim(),
  );
});

describe.each(Object.entries(goldenJson('llmcompressor/outputs.json')))(
  'as llmcompressor does it: %s',
  (_, { options, tensors, metadata, config }) => {
    test('every tensor has the same name, type, shape and bytes', async () => {
      const report = await quantize(kTinyLlama, options);
      expect(digests(folder.path('out/model.safetensors'))).toEqual(tensors);
      expect(readModel(readFileSync(folder.path('out/model.safetensors'))).metadata).toEqual(metadata);
      expect(report).toMatchObject({ architecture: 'llama', opensIn: ['vLLM', 'transformers'], type: options.type });
    });

    test('config.json means the same: what it leaves out is the default of every version', async () => {
      await quantize(kTinyLlama, options);
      const own = configOf();
      const [weights, others] = [own, config].map((one) => one.config_groups.group_0.weights);
      for (const [key, value] of Object.entries(weights)) expect([key, value]).toEqual([key, others[key]]);
      const left = Object.entries(others).filter(([key]) => !(key in weights));
      const defaults = { observer: 'memoryless_minmax', observer_kwargs: {}, zp_dtype: expect.anything() };
      for (const [key, value] of left) expect(value ?? null).toEqual(value === null ? null : defaults[key]);
      for (const key of ['format', 'ignore', 'quant_method', 'quantization_status'])
        expect(own[key]).toEqual(config[key]);
    });
  },
);

/** A layer whose tensors are of several types, and a head. */
const kTensors = [
  bfloatTensor('model.embed_tokens.weight', [40, 128], 1),
  bfloatTensor('model.layers.0.self_attn.q_proj.weight', [40, 128], 2),
  bfloatTensor('model.layers.0.self_attn.k_proj.weight', [8, 128], 3),
  bfloatTensor('model.layers.0.self_attn.v_proj.weight', [8, 128], 4),
  float32Tensor('model.layers.0.mlp.gate_proj.weight', [20, 128], 5),
  float32Tensor('model.layers.0.mlp.up_proj.weight', [20, 128], 6),
  halfTensor('model.layers.0.mlp.down_proj.weight', [128, 256], 7),
  halfTensor('model.layers.0.mlp.down_proj.bias', [128], 8),
  bfloatTensor('model.norm.weight', [128], 9),
  bfloatTensor('lm_head.weight', [40, 128], 10),
];
const kConfig = { model_type: 'llama', vocab_size: 40 };
const input = (tensors = kTensors, config = kConfig) => writeModelFolder(folder.path('in'), tensors, config);

describe('which tensors', () => {
  test('linear ones are quantized; embeddings, norms, biases and the head stay as they are', async () => {
    const { tensors } = await quantize(input(), { type: 'W4A16_ASYM' });
    const kept = tensors.filter(({ kept: one }) => one).map(({ name, rule }) => [name, rule]);
    expect(kept).toEqual([
      ['lm_head.weight', 'output layer'],
      ['model.embed_tokens.weight', 'embedding'],
      ['model.layers.0.mlp.down_proj.bias', 'no linear module'],
      ['model.norm.weight', 'no linear module'],
    ]);
    const made = tensorsIn(folder.path('out/model.safetensors'));
    expect(
      Object.fromEntries(Object.entries(made).map(([name, [dtype, shape]]) => [name, [dtype, shape]])),
    ).toMatchObject({
      'model.layers.0.mlp.down_proj.weight_packed': ['I32', [128, 32]],
      'model.layers.0.mlp.down_proj.weight_scale': ['F16', [128, 2]],
      'model.layers.0.mlp.down_proj.weight_shape': ['I64', [2]],
      'model.layers.0.mlp.down_proj.weight_zero_point': ['I32', [16, 2]],
      'model.layers.0.mlp.up_proj.weight_scale': ['F32', [20, 1]],
      'model.layers.0.self_attn.k_proj.weight_zero_point': ['I32', [1, 1]],
    });
  });

  test('rules keep, cast, drop and quantize; config.json lists the linear modules that are not quantized', async () => {
    const rules = [
      ['down_proj.weight', 'keep'],
      ['norm', 'F32'],
      ['bias', 'drop'],
      ['lm_head', 'quantize'],
    ];
    const report = await quantize(input(), { rules });
    expect(configOf().ignore).toEqual(['model.layers.0.mlp.down_proj']);
    expect(report.dropped.map(({ name }) => name)).toEqual(['model.layers.0.mlp.down_proj.bias']);
    const made = tensorsIn(folder.path('out/model.safetensors'));
    expect(made['lm_head.weight_packed'][1]).toEqual([40, 16]);
    expect(made['model.norm.weight'][0]).toBe('F32');
  });

  test('a head that is the embedding is ignored by its name', async () => {
    await quantize(input(kTensors.slice(0, -1)), {});
    expect(configOf().ignore).toEqual(['lm_head']);
  });

  test('routers of experts stay as they are, and are listed', async () => {
    const expert = (layer, number) =>
      ['gate_proj', 'up_proj', 'down_proj'].map((name, index) =>
        bfloatTensor(`model.layers.${layer}.mlp.experts.${number}.${name}.weight`, [128, 128], number + index),
      );
    const tensors = [
      ...[0, 1, 10, 2].flatMap((layer) => [
        bfloatTensor(`model.layers.${layer}.mlp.gate.weight`, [2, 128]),
        ...expert(layer, 0),
      ]),
      ...expert(0, 1),
    ];
    await quantize(input(tensors, { model_type: 'qwen3_moe' }), {});
    expect(configOf().ignore).toEqual([...[0, 1, 2, 10].map((layer) => `model.layers.${layer}.mlp.gate`), 'lm_head']);
  });

  test('NVFP4 has one global scale for query, key and value, and one for gate and up', async () => {
    await quantize(input(), { type: 'NVFP4A16' });
    const made = tensorsIn(folder.path('out/model.safetensors'));
    const scaleOf = (name) => made[`model.layers.0.${name}.weight_global_scale`][2];
    expect(scaleOf('self_attn.k_proj')).toBe(scaleOf('self_attn.q_proj'));
    expect(scaleOf('self_attn.v_proj')).toBe(scaleOf('self_attn.q_proj'));
    expect(scaleOf('mlp.up_proj')).toBe(scaleOf('mlp.gate_proj'));
    expect(scaleOf('mlp.down_proj')).not.toBe(scaleOf('mlp.gate_proj'));
  });
});

test('types are named as what they are, with the programs that open them', async () => {
  expect(await quantize(input(), { symmetric: false })).toMatchObject({ type: 'W4A16_ASYM' });
  expect(await quantize(input(), { type: 'W3A16' })).toMatchObject({ opensIn: ['transformers'] });
});

test('a matrix without elements stays as it is', async () => {
  const empty = bfloatTensor('model.layers.0.mlp.extra.weight', [0, 128]);
  await quantize(input([...kTensors, empty]), {});
  expect(configOf().ignore).toEqual(['model.layers.0.mlp.extra', 'lm_head']);
  expect(tensorsIn(folder.path('out/model.safetensors'))[empty.name]).toEqual(['BF16', [0, 128], '']);
});

test('what was quantized is restored first, and config.json says nothing of it any more', async () => {
  await quantizer.quantizeFile(input(), folder.path('mlx'), { format: 'mlx', bits: 8, groupSize: 32 });
  await quantizer.dequantizeFile(folder.path('mlx'), folder.path('floats.safetensors'));
  const report = await quantize(folder.path('mlx'), {});
  expect(report.warnings.map(({ code }) => code)).toContain('quantized_again');
  expect(Object.keys(JSON.parse(textOf('out/config.json')))).toEqual([
    'model_type',
    'quantization_config',
    'vocab_size',
  ]);
});

test('there and back: what is restored is what is read, from every type', async () => {
  for (const type of ['W3A16', 'W4A16', 'W4A16_ASYM', 'W8A16', 'W8A16_ASYM', 'NVFP4A16', 'MXFP4A16', 'MXFP8A16']) {
    const out = folder.path(type);
    await quantizer.quantizeFile(input(), out, { format: 'compressed-tensors', type });
    await quantizer.dequantizeFile(out, folder.path('back.safetensors'), { dtype: 'F32' });
    const comparison = await quantizer.compareFiles(out, folder.path('back.safetensors'));
    expect(comparison).toMatchObject({ onlyInA: [], onlyInB: [], reshaped: [] });
    expect(comparison.tensors.filter(({ equal }) => !equal)).toEqual([]);
    const lost = await quantizer.compareFiles(folder.path('in'), out);
    expect(lost.onlyInA.concat(lost.onlyInB)).toEqual([]);
    for (const { name, relativeRmse } of lost.tensors) expect([name, relativeRmse < 0.3]).toEqual([name, true]);
  }
});

describe('refused before anything is written', () => {
  const refusal = async (source, options, { code = 'invalid_option', says }) => {
    await expect(quantize(source, options)).rejects.toMatchObject({ code, message: expect.stringMatching(says) });
    expect(existsSync(folder.path('out'))).toBe(false);
  };

  test.each([
    [{ type: 'nf4' }, /type is "nf4", must be "W4A16"/],
    [{ groupSize: 16 }, /groupSize is 16, must be 32, 64, 128, 256 for the type W4A16/],
    [{ type: 'NVFP4A16', groupSize: 16 }, /groupSize has no meaning with the type NVFP4A16/],
    [{ type: 'MXFP4A16', symmetric: true }, /symmetric has no meaning with the type MXFP4A16/],
    [{ type: 'W4A16_ASYM', symmetric: true }, /symmetric is true, but the type W4A16_ASYM is not so; ask for W4A16$/],
    [{ type: 'W8A16', symmetric: false }, /symmetric is false, but the type W8A16 is not so; ask for W8A16_ASYM$/],
    [{ type: 'W3A16', symmetric: false }, /symmetric is false, but the type W3A16 is not so; leave it out/],
    [{ symmetric: 'no' }, /symmetric/],
    [{ bits: 4 }, /bits has no meaning, because the output is a model of compressed-tensors/],
    [{ doubleQuant: true }, /doubleQuant has no meaning/],
    [{ architecture: 3 }, /architecture/],
    [{ rules: [['norm', 'Q4_K']] }, /cannot apply to tensor "model.norm.weight"/],
    [
      { rules: [['norm', 'quantize']] },
      /cannot apply to tensor "model.norm.weight": it is no weight of a linear module/,
    ],
    [{ rules: [['.', 'drop']] }, /drop every tensor/],
    [{ rules: [['k_proj', 'keep']] }, /k_proj.weight" stays as it is, but .* is quantized: programs hold them as one/],
  ])('options: %j', (options, says) => refusal(input(), options, { says }));

  test('rows that are no whole groups', () =>
    refusal(
      input([bfloatTensor('model.layers.0.mlp.down_proj.weight', [4, 96])]),
      {},
      {
        code: 'unsupported_model',
        says: /rows of 96 weights, which are no whole groups of 128; leave it as it is with the rule '=model/,
      },
    ));

  test('architectures that nobody knows, and no config.json', async () => {
    const says =
      /nobody knows which modules of the architecture "lama" are linear \(the nearest that is known is "llama"\)/;
    await refusal(input(kTensors, { model_type: 'lama' }), {}, { code: 'unsupported_model', says });
    await refusal(input(kTensors, {}), {}, { code: 'unsupported_model', says: /nothing tells its architecture/ });
    const alone = writeModelFolder(folder.path('alone'), kTensors, null);
    await refusal(alone, {}, { code: 'unsupported_model', says: /there is no config.json beside it/ });
    await quantize(input(kTensors, { model_type: 'lama' }), { architecture: 'none' });
    expect(configOf().ignore).toEqual(['lm_head']);
    expect(readdirSync(folder.path('out')).toSorted()).toEqual(['config.json', 'model.safetensors']);
  });

  test('weights that are not finite', async () => {
    const [bad] = [float32Tensor('model.layers.0.mlp.down_proj.weight', [4, 128])];
    bad.bytes.writeFloatLE(NaN, 400);
    await refusal(input([bad]), {}, { code: 'not_finite', says: /index 100/ });
  });
});
