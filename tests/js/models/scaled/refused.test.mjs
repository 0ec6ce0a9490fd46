import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../../support/models/folder.mjs';
import { bitsandbytes, comfyQuant, kQuantized } from '../../support/models/quantized.mjs';
import { fromFloats, modelFile } from '../../support/models/safetensors.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const bytes = (name, dtype, shape, byte = 0) => {
  const width = { I32: 4, I64: 8, F16: 2 }[dtype] ?? 1;
  return { name, dtype, shape, bytes: Buffer.alloc(shape.reduce((a, b) => a * b, 1) * width, byte) };
};
const floats = (name, shape, value = 1) =>
  fromFloats(name, 'F32', shape, Array(shape.reduce((a, b) => a * b, 1)).fill(value));
const write = (tensors, metadata) => folder.write('in.safetensors', modelFile(tensors, metadata));

/** All ways to an output reject before a byte is written, and say the same. To int4, fp8 stays as it is. */
async function expectRefusal(tensors, { code, layer = 'a.weight', says }, metadata = undefined) {
  const input = write(tensors, metadata);
  const calls = [
    () => quantizer.quantizeFile(input, folder.path('out.gguf'), { type: 'Q4_K_M', architecture: 'none' }),
    () => quantizer.quantizeFile(input, folder.path('out.safetensors'), { type: 'F16' }),
    ...(tensors[0].dtype === 'F8_E4M3'
      ? []
      : [() => quantizer.quantizeFile(input, folder.path('out.safetensors'), { bits: 4 })]),
    () => quantizer.dequantizeFile(input, folder.path('out.safetensors')),
  ];
  for (const call of calls) {
    const failure = await call().then(
      () => 'no failure',
      (error) => error,
    );
    expect(failure).toMatchObject({ code, file: input, layer });
    expect(failure.message).toMatch(says);
  }
  expect(folder.list()).toEqual(['in.safetensors']);
}

const unknown = (says, layer) => ({ code: 'unsupported_dtype', says, ...(layer && { layer }) });
const invalid = (says, layer) => ({ code: 'invalid_file', says, ...(layer && { layer }) });

describe('formats that are known by name only', () => {
  const int8 = bytes('a.weight', 'I8', [2, 32]);
  const marked = (config) => [int8, floats('a.weight_scale', [2, 1]), comfyQuant('a', config)];
  test.each([
    ['w4a8 by its JSON', marked({ format: 'asym_w4a8_int8' }), /dtype "asym_w4a8_int8" \(comfy_quant\) of tensor/],
    ['AWQ by its JSON', marked({ format: 'awq_w4a16' }), /"awq_w4a16"/],
    ['one of the future', marked({ format: 'int3_wonder' }), /"int3_wonder"/],
    ['none at all', marked({ form: 'nvfp4' }), /"undefined" \(comfy_quant\)/],
    [
      'a rotation of 32',
      marked({ format: 'int8_tensorwise', convrot: true, convrot_groupsize: 32 }),
      /groupsize of 32/,
    ],
    ['w4a8 without a text', [int8, bytes('a.weight_s_rel', 'F8_E4M3', [2, 2])], /w4a8/],
    ['LLM.int8', [int8, floats('a.SCB', [2])], /LLM\.int8/],
    [
      'zero points',
      [int8, floats('a.weight_scale', [2]), bytes('a.weight_zero_point', 'I8', [2])],
      /weight_zero_point/,
    ],
    ['scales of another name', [int8, floats('a.weight.scale_of_rows', [2])], /I8 with "a\.weight\.scale_of_rows"/],
    ['nvfp4 without a text', nvfp4WithoutText(), /nvfp4 \(ModelOpt\) without comfy_quant/],
    ['smoothed nvfp4', [...kQuantized.nvfp4('a').tensors, floats('a.pre_quant_scale', [256])], /pre_quant_scale/],
    ['mxfp8 without a text', kQuantized.mxfp8('a').tensors.slice(0, 2), /F8_E4M3 with scales of U8/],
    ['its own NF4 values', bitsandbytes('a', 'nf4', Array(16).fill(0.5)).tensors, /quant_map of its own/],
    ['rotated nvfp4', said('nvfp4', { convrot: true, convrot_groupsize: 256 }), /nvfp4 with "convrot"/],
    ['rotated mxfp8', said('mxfp8', { convrot: 1 }), /mxfp8 with "convrot"/],
    ['rotated mxfp4', said('comfy mxfp4', { params: { convrot: true } }), /mxfp4 with "convrot"/],
    ['rotated fp8', said('comfy float8_e4m3fn', { convrot: true }), /float8_e4m3fn with "convrot"/],
    ['a rotation of another kind', said('int8 rows', { hadamard: 64 }), /int8_tensorwise with "hadamard"/],
    ['int8 with a codebook', said('int8 rows', { codebook: 'lloyd' }), /with "codebook"/],
    ...[
      'int8 rows',
      'int8 convrot',
      'int4 convrot',
      'mxfp8',
      'comfy mxfp4',
      'bnb nf4',
      'int8 rows that nothing is said of',
    ].map((format) => [
      `smoothed ${format}`,
      [...kQuantized[format]('a').tensors, floats('a.pre_quant_scale', [96])],
      /with "a\.pre_quant_scale"/,
    ]),
    ['smoothed fp8', [...kQuantized['fp8 rows']('a').tensors, floats('a.pre_quant_scale', [96])], /with "a\.pre_q/],
    [
      'fp8 of two scales',
      [...kQuantized['fp8 rows']('a').tensors, floats('a.scale_weight', [])],
      /with "a\.(?:weight_scale|scale_weight)"/,
    ],
    [
      'fp8 with scales of another name',
      [bytes('a.weight', 'F8_E4M3', [2, 32]), floats('a.scale_of_all', [])],
      /F8_E4M3 with "a\.scale_of_all"/,
    ],
    [
      'rows that are filled up',
      [...kQuantized.nvfp4('a').tensors, floats('a.bias', [150])],
      /160 rows for a bias of 150/,
    ],
    ['experts in nvfp4', experts('nvfp4'), /nvfp4 of 3 dimensions/],
    ['experts in mxfp8', experts('mxfp8'), /mxfp8 of 3 dimensions/],
    ['experts in mxfp4', experts('comfy mxfp4'), /mxfp4 of 3 dimensions/],
    ['experts in int4', experts('int4 convrot'), /convrot_w4a4 of 3 dimensions/],
    ['rows of an odd number', [bytes('a.weight', 'I8', [2, 3]), floats('a.weight_scale', [2])], /odd number/],
  ])('%s', (_, tensors, says) => expectRefusal(tensors, unknown(says)));

  test.each([
    ['svdquant', [bytes('a.qweight', 'I8', [2, 32]), bytes('a.wscales', 'F16', [1, 2])], /svdquant \(nunchaku\)/],
    ['GPTQ', [bytes('a.qweight', 'I32', [2, 32]), bytes('a.g_idx', 'I32', [32]), floats('a.scales', [1, 32])], /GPTQ/],
    ['quanto', [bytes('a.weight._data', 'I8', [2, 32]), floats('a.weight._scale', [2, 1])], /quanto/, 'a.weight._data'],
    [
      'quanto in fp8',
      [bytes('a.weight._data', 'F8_E4M3', [2, 32]), floats('a.weight._scale', [2, 1])],
      /quanto/,
      'a.weight._data',
    ],
    [
      'quanto in int4',
      [
        bytes('a.weight._data._data', 'U8', [2, 32]),
        floats('a.weight._scale', [2, 1]),
        floats('a.weight._shift', [2, 1]),
      ],
      /quanto/,
      'a.weight._data._data',
    ],
    [
      'torchao',
      [bytes('a._weight_qdata', 'I8', [2, 32]), floats('a._weight_scale', [2, 1])],
      /torchao/,
      'a._weight_qdata',
    ],
    [
      'torchao with colons',
      [bytes('a.weight:qdata', 'I8', [2, 32]), floats('a.weight:scale', [2, 1])],
      /torchao/,
      'a.weight:qdata',
    ],
    ['HQQ', [bytes('a.W_q', 'U8', [2, 32]), floats('a.scale', [2, 1]), floats('a.zero', [2, 1])], /HQQ/, 'a.W_q'],
    ['HQQ in floats', [floats('a.W_q', [2, 32]), floats('a.scale', [2, 1]), floats('a.zero', [2, 1])], /HQQ/, 'a.W_q'],
    [
      'blocks of experts',
      [bytes('a.up_blocks', 'U8', [2, 3, 2, 16]), bytes('a.up_scales', 'U8', [2, 3, 2])],
      /U8 with "a\.up_scales"/,
      'a.up_blocks',
    ],
    ['AWQ', [bytes('a.qweight', 'I32', [2, 32]), bytes('a.qzeros', 'I32', [1]), floats('a.scales', [1, 32])], /AWQ/],
  ])('%s', (_, tensors, says, name = 'a.qweight') => expectRefusal(tensors, unknown(says, name)));

  test('packed integers of compressed-tensors whose columns are in an order of their own', () =>
    expectRefusal(
      [
        ...[bytes('a.weight_packed', 'I32', [2, 4]), bytes('a.weight_shape', 'I64', [2])],
        ...[floats('a.weight_scale', [2, 1]), bytes('a.weight_g_idx', 'I32', [32])],
      ],
      unknown(/pack-quantized with "weight_g_idx"/, 'a.weight_packed'),
    ));

  test('are inspected, compared and read as they are, where nothing needs to be decoded', async () => {
    const tensors = [...marked({ format: 'int3_wonder' }), floats('b.weight', [4], 3)];
    const input = write(tensors);
    const { tensors: shown } = await quantizer.inspectFile(input);
    expect(shown.map(({ name, type }) => [name, type])).toContainEqual(['a.weight', 'I8']);
    const comparison = await quantizer.compareFiles(input, input);
    expect(comparison.tensors.every(({ equal }) => equal)).toBe(true);
    expect(Array.from(await quantizer.readTensor(input, 'b.weight'))).toEqual([3, 3, 3, 3]);
    await expect(quantizer.readTensor(input, 'a.weight')).rejects.toMatchObject({ code: 'unsupported_dtype' });
  });
});

describe('layers that cannot be decoded are left out', () => {
  const foreign = [
    bytes('te.a.weight', 'I8', [2, 64]),
    floats('te.a.SCB', [2]),
    bytes('te.b.W_q', 'U8', [2, 64]),
    floats('te.b.scale', [2]),
  ];
  const others = [...kQuantized['int8 rows']('blocks.0.a').tensors, floats('b.weight', [2, 32])];
  const kWays = [
    ['out.gguf', { type: 'Q8_0', architecture: 'none' }],
    ['out.gguf', { type: 'Q8_0', architecture: 'none', for: 'sd.cpp' }],
    ['out.safetensors', { type: 'F16', container: 'safetensors' }],
    ['out.safetensors', { bits: 4 }],
  ];

  test.each(kWays)('by a rule, to %s with %j', async (output, options) => {
    const input = write([...foreign, ...others]);
    const sink = folder.path(output);
    const report = await quantizer.quantizeFile(input, sink, { ...options, rules: [['^te', 'drop']] });
    expect(report.tensors.map(({ name }) => name).sort()).toEqual(['b.weight', 'blocks.0.a.weight']);
    expect(report.dropped.map(({ name }) => name)).toEqual(expect.arrayContaining(foreign.map(({ name }) => name)));
    for (const rules of [[], [['^te\\.a', 'drop']], [['^te', 'keep']]]) {
      await expect(quantizer.plan(input, { ...options, rules })).rejects.toMatchObject({
        code: 'unsupported_dtype',
        layer: rules.some(([, type]) => type === 'drop') ? 'te.b.W_q' : 'te.a.weight',
      });
    }
  });

  test('by a rule, and what else is wrong is told', async () => {
    const rules = [['^te', 'drop']];
    const input = write([...foreign, ...others]);
    await expect(quantizer.plan(input, { type: 'Q8_0', rules })).rejects.toMatchObject({ code: 'unsupported_model' });
    await expect(quantizer.plan(input, { type: 'Q8_0' })).rejects.toMatchObject({ code: 'unsupported_dtype' });
  });

  test('by the family, of which they are no part', async () => {
    const flux = [
      floats('model.diffusion_model.double_blocks.0.img_attn.proj.weight', [32, 32]),
      floats('model.diffusion_model.double_blocks.0.txt_attn.proj.weight', [32, 32]),
      floats('model.diffusion_model.single_blocks.0.linear1.weight', [32, 32]),
      floats('model.diffusion_model.img_in.weight', [32, 64]),
    ];
    const encoder = foreign.map((tensor) => ({ ...tensor, name: `text_encoders.${tensor.name}` }));
    const plan = await quantizer.plan(write([...flux, ...encoder]), { type: 'Q8_0', architecture: 'flux' });
    expect(plan.tensors).toHaveLength(4);
    expect(plan.dropped.map(({ name }) => name)).toContain('text_encoders.te.a.weight');
  });
});

function nvfp4WithoutText() {
  return kQuantized.nvfp4('a').tensors.slice(0, 3);
}

/** The layer of a format whose text says more. */
function said(format, more) {
  return kQuantized[format]('a').tensors.map((tensor) =>
    tensor.name === 'a.comfy_quant' ? comfyQuant('a', { ...JSON.parse(tensor.bytes.toString()), ...more }) : tensor,
  );
}

/** The same with weights that have one more dimension. */
function experts(format) {
  const [weight, ...others] = kQuantized[format]('a').tensors;
  return [{ ...weight, shape: [1, ...weight.shape] }, ...others];
}

/** The layer of a format with one of its tensors replaced, or left out. */
const changed = (format, name, replacement) =>
  kQuantized[format]('a').tensors.flatMap((tensor) => {
    if (tensor.name !== name) return [tensor];
    return replacement === undefined ? [] : [{ ...tensor, ...replacement }];
  });

describe('layers that are not as their format demands', () => {
  const scale = 'a.weight_scale';
  const nothing = Buffer.alloc(0);
  test.each([
    ['int8 of one scale', scale, undefined, /has no "a\.weight_scale" beside it/],
    ['nvfp4', scale, undefined, /has no "a\.weight_scale"/],
    ['nvfp4', 'a.weight_scale_2', undefined, /has no "a\.weight_scale_2"/],
    ['comfy float8_e4m3fn', scale, undefined, /no scale is beside it/],
    ['mxfp8', scale, { shape: [255, 8], bytes: Buffer.alloc(255 * 8) }, /has not 2048 scales/],
    ['nvfp4', scale, { shape: [160, 16], bytes: Buffer.alloc(160 * 16) }, /has 2560 scales .* needs 4096/],
    ['nvfp4', scale, { shape: [0], bytes: nothing }, /has 0 scales/],
    ['mxfp4 of compressed-tensors', scale, { shape: [12, 2], bytes: Buffer.alloc(24) }, /has 24 scales .* needs 36/],
    [
      'int8 rows',
      scale,
      { shape: [3], bytes: Buffer.alloc(12) },
      /3 scales, which are neither one nor one for each row/,
    ],
    ['int8 rows', scale, { shape: [0], bytes: nothing }, /0 scales/],
    ['int8 rows', scale, { dtype: 'I32' }, /is no float, but I32/],
    ['int8 convrot', 'a.weight', { shape: [16, 64] }, /whole groups of 256/],
    ['int4 convrot', 'a.weight', { shape: [768] }, /convrot_w4a4/],
    ['fp8 rows', scale, { shape: [3, 4] }, /neither one, nor one for each row/],
    ['fp8 blocks', 'a.weight_scale_inv', { shape: [2, 3] }, /neither one, nor one for each row/],
    ['bnb nf4', 'a.weight.absmax', { shape: [5], bytes: Buffer.alloc(20) }, /has not the bytes and scales/],
    ['bnb nf4', 'a.weight.quant_map', undefined, /quant_map/],
    ['bnb nf4', 'a.weight.absmax', { dtype: 'U8', shape: [72] }, /nested_quant_map/],
    ['int8 of one scale', 'a.weight', { dtype: 'U8' }, /is said to be int8, but is U8/],
    ['mxfp8', 'a.weight', { dtype: 'U8' }, /is said to be mxfp8/],
    ['comfy float8_e4m3fn', 'a.weight', { dtype: 'I8' }, /is said to be fp8/],
  ])('%s, %s', (format, name, replacement, says) =>
    expectRefusal(changed(format, name, replacement), invalid(says, kQuantized[format]('a').tensors[0].name)),
  );

  test.each([
    ['no JSON', '{"format":', /is not valid JSON/],
    ['no object', '["nvfp4"]', /is not a JSON object/],
    ['deep', '{"a":'.repeat(40), /nests deeper/],
    ['a name twice', '{"format":"nvfp4","format":"mxfp8"}', /twice/],
    ['too long', ' '.repeat(20_000), /too long a text/],
  ])('a comfy_quant that is %s', async (_, text, says) => {
    const input = write([...changed('nvfp4', 'a.comfy_quant', undefined), comfyQuant('a', text)]);
    const call = quantizer.quantizeFile(input, folder.path('out.gguf'), { type: 'F16', architecture: 'none' });
    await expect(call).rejects.toMatchObject({ code: 'invalid_file', file: input });
    await expect(call).rejects.toThrow(says);
    expect(folder.list()).toEqual(['in.safetensors']);
    const { tensors } = await quantizer.inspectFile(input);
    expect(tensors.map(({ name }) => name)).toContain('a.comfy_quant');
  });

  test.each([
    [{ shape: [2, -3] }],
    [{ shape: 'all' }],
    [{ shape: [2 ** 30, 2 ** 30] }],
    [{ blocksize: 0 }],
    [{ blocksize: 48 }],
    [{ blocksize: 2 ** 40 }],
    [{ dtype: '__proto__' }],
  ])('a quant_state with %j', (state) =>
    expectRefusal(bitsandbytes('a', 'nf4', nf4Values(), state).tensors, invalid(/quant_state|bytes and scales/)),
  );

  test.each([
    ['int8 rows', 'a.weight_scale', 7, NaN],
    ['fp8 blocks', 'a.weight_scale_inv', 2, Infinity],
    ['bnb fp4', 'a.weight.absmax', 5, -Infinity],
    ['nvfp4', 'a.weight_scale_2', 0, NaN],
  ])('a scale of %s that is not finite', async (format, name, index, value) => {
    const tensors = kQuantized[format]('a').tensors;
    const scale = tensors.find((one) => one.name === name);
    scale.bytes.writeFloatLE(value, 4 * Math.min(index, scale.bytes.length / 4 - 1));
    await expectRefusal(tensors, invalid(/is not finite/));
  });

  test('an exponent of 255 is NaN', () =>
    expectRefusal(changed('comfy mxfp4', 'a.weight_scale', { bytes: Buffer.alloc(36, 255) }), invalid(/not finite/)));

  test('weights that are there twice, once packed', () =>
    expectRefusal(
      [...kQuantized['mxfp4 of compressed-tensors']('a').tensors, floats('a.weight', [2])],
      invalid(/is there twice/),
    ));
});

const nf4Values = () => {
  const map = kQuantized['bnb nf4']('a').tensors.find(({ name }) => name.endsWith('quant_map'));
  return Array.from({ length: 16 }, (_, index) => map.bytes.readFloatLE(4 * index));
};
