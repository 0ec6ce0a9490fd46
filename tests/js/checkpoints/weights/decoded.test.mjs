import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import {
  BytesSource,
  Hparams,
  decodedWeights,
  inConverterOrder,
  openModel,
  parseJson,
} from '../../support/internals.mjs';
import { kQuantizedCheckpoints } from '../../support/models/quantized-checkpoints.mjs';
import { modelFile } from '../../support/models/safetensors.mjs';

/** SHA-256 of what llama.cpp 0.5.0's converter makes of them with `--outtype f32` (a model around them, all else left out). */
const kDecoded = {
  'fp8 in tiles': '008a979fdbb60191bd2678fb9178ab1eb116589a89dc1046bf39e6e25eb8e32a',
  'fp8 of five exponent bits in tiles': 'e1b5ec4d323c6134c3f7dfe3c130adfa26e93b4dd1442e99434a0ac6832a3672',
  'fp8 with one scale': '1260c720e2c20baba8d3c91c807d9d4bbce862e3dd6b42996bc3fe2700aaadd8',
  'fp8 of ModelOpt': 'f51e38c9eb614a198c4030c4f110d04e38c246aa9e9149516bcf6f5367edd2a3',
  'fp8 by channel': 'f5f6f84a817c4cd6f9a3a6d4bd11940bdb58797b725a4a9b08714cd48cff56c7',
  'fp8 by block': '9cd0583460831d95cbab1168b217161fcf3e0791c4c12b603076e9b6046231db',
  'int8 by channel': '9c52c4ed78b3c35cbdc004dfd2d073ded23a1bb0b6d8665a02c9849b6c2a6ffa',
  'packed int4': '29c3e34751dc4e75ee953acfeef91c72a06d4b98dc1e2288c9b34674aa873bf6',
  'packed int4 with zero points': '484a177e8b3cc2b9ec4251d89d8cc78470914b4b8c13852b0d5fd61713e65d8b',
  'packed int8 with zero points': '23b550f06e2b4972375147d95ed114f4a0278332db4f7dec8320760885c77dd1',
  'packed int2': '78e59652115c6f27b26a20cf65e4ddcbfc637238644da1ea1381718cc654a1b9',
  'GPTQ of 4 bits by activation': '69fe4354273c199a14a3eb70f305018a8e28f1005092315e85cd5fd301e8a7b2',
  'GPTQ of 4 bits, version 2': 'dfd568aee1631a99966862a4180437a87891ff419593736c8c7224c8751b91d4',
  'GPTQ of 8 bits': '0912c089ccab0e3b9abc775f2e785428c8e29bf7af2a3446d5897cfbb39277e8',
  'GPTQ of 2 bits': '0777c7e75b58f8d4307e7e40529c444518e0c9eed7a07ac2d89139a52d91d09f',
};

const hparamsOf = (config) => {
  const said = config === undefined ? {} : { quantization_config: config };
  return new Hparams(parseJson(JSON.stringify(said)), { name: 'config.json' });
};

const open = (tensors) => openModel(new BytesSource(Buffer.from(modelFile(tensors))));

/** The F32 bytes of a weight, in stretches of so many elements. */
async function read(weight, step) {
  expect(weight.codec.name).toBe('F32');
  const parts = [];
  for (const { source, begin, bytes } of weight.planes[0]) {
    for (let at = 0; at < bytes; at += step * 4) {
      const count = Math.min(step * 4, bytes - at);
      if (source.readAside !== undefined) parts.push(await source.readAside(begin + at, count));
      else {
        const own = new Uint8Array(count);
        await source.read(own, begin + at);
        parts.push(own);
      }
    }
  }
  return Buffer.concat(parts);
}

const floats = (bytes) => [...new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))];

describe('quantized weights are decoded as the converter does', () => {
  test.each(Object.keys(kQuantizedCheckpoints))('%s', async (name) => {
    const { config, tensors } = kQuantizedCheckpoints[name];
    const model = await open(tensors());
    const weights = await decodedWeights(model, hparamsOf(config));
    expect(weights.map((one) => one.name)).toEqual([
      ...[
        'mlp.down_proj',
        'mlp.gate_proj',
        'mlp.up_proj',
        'self_attn.k_proj',
        'self_attn.o_proj',
        'self_attn.q_proj',
      ].map((one) => `model.layers.0.${one}.weight`),
      'model.layers.0.self_attn.v_proj.weight',
    ]);
    // Whole tensors, rows, and stretches that begin and end within them.
    for (const step of [1 << 20, 160, 1000]) {
      const hash = createHash('sha256');
      for (const weight of weights) hash.update(await read(weight, step));
      expect(hash.digest('hex')).toBe(kDecoded[name]);
    }
  });
});

const tensor = (name, dtype, shape, bytes) => ({ name, dtype, shape, bytes: Buffer.from(bytes) });
const bytesOf = (array) => new Uint8Array(array.buffer);

describe('numbers of other types are F32', () => {
  test.each([
    [
      'F64',
      new Float64Array([0.1, -0, 1 + 2 ** -24, 1 + 3 * 2 ** -24, 1e300, NaN]),
      [0.10000000149011612, -0, 1, 1.000000238418579, Infinity, NaN],
    ],
    // The third is above a tie by its lowest bit, which a double has not: it is rounded up.
    [
      'I64',
      new BigInt64Array([-3n, 2n ** 62n, 2n ** 62n + 2n ** 38n + 1n, 2n ** 62n + 2n ** 38n, -(2n ** 63n)]),
      [-3, 2 ** 62, 2 ** 62 + 2 ** 39, 2 ** 62, -(2 ** 63)],
    ],
    ['I32', new Int32Array([-1, 2 ** 24 + 1, -(2 ** 31)]), [-1, 2 ** 24, -(2 ** 31)]],
    ['I16', new Int16Array([-32768, 5]), [-32768, 5]],
    ['I8', new Int8Array([-128, 127]), [-128, 127]],
    ['U8', new Uint8Array([0, 255]), [0, 255]],
    ['BOOL', new Uint8Array([0, 1]), [0, 1]],
    [
      'F8_E4M3',
      new Uint8Array([0x00, 0x80, 0x01, 0x38, 0xb8, 0x7e, 0x7f, 0xff]),
      [0, -0, 2 ** -9, 1, -1, 448, NaN, NaN],
    ],
    [
      'F8_E5M2',
      new Uint8Array([0x01, 0x3c, 0xbc, 0x7b, 0x7c, 0xfc, 0x7d]),
      [2 ** -16, 1, -1, 57344, Infinity, -Infinity, NaN],
    ],
    ['F8_E8M0', new Uint8Array([0, 127, 254, 255]), [2 ** -127, 1, 2 ** 127, NaN]],
  ])('%s', async (dtype, stored, expected) => {
    const model = await open([tensor('w', dtype, [stored.length], bytesOf(stored))]);
    const [weight] = await decodedWeights(model, hparamsOf());
    expect(weight).toMatchObject({ name: 'w', dtype: 'F32', shape: [stored.length], fileBytes: stored.byteLength });
    expect(floats(await read(weight, 2))).toEqual(expected);
  });

  test('what is F32, F16 or BF16 stays where it is', async () => {
    const model = await open(
      ['F32', 'F16', 'BF16'].map((dtype) => tensor(dtype, dtype, [1], new Uint8Array(dtype === 'F32' ? 4 : 2))),
    );
    const weights = await decodedWeights(model, hparamsOf());
    expect(weights).toEqual(expect.arrayContaining([...model.tensors]));
  });

  test('a type that nobody reads has a refusal, and is no failure of others', async () => {
    const model = await open([tensor('a', 'U64', [1], new Uint8Array(8)), tensor('b', 'F32', [1], new Uint8Array(4))]);
    const [a, b] = await decodedWeights(model, hparamsOf());
    expect(a.refusal).toMatchObject({ code: 'unsupported_dtype', layer: 'a' });
    expect(b.refusal).toBeUndefined();
  });
});

describe('the order is the converter’s', () => {
  const source = (fileName) => ({ fileName, name: fileName });
  const at = (name, file) => ({ name, planes: [[{ source: file, begin: 0, bytes: 0 }]] });
  const names = (tensors, container) => inConverterOrder({ tensors, container }).map(({ name }) => name);
  const [first, second] = [source('model-00001-of-00002.safetensors'), source('model-00002-of-00002.safetensors')];

  test('files by their names, then tensors by code points', () => {
    const tensors = [
      at('z', second),
      at('layers.2', first),
      at('layers.10', first),
      at('\u{1F600}', first),
      at('\uFFFD', first),
    ];
    expect(names(tensors, 'safetensors')).toEqual(['layers.10', 'layers.2', '\uFFFD', '\u{1F600}', 'z']);
  });

  test('in PyTorch files as they lie', () => {
    expect(names([at('b', second), at('z', first), at('a', first)], 'torch')).toEqual(['z', 'a', 'b']);
  });
});

describe('what contradicts itself is refused by name', () => {
  const kFp8 = { quant_method: 'fp8', weight_block_size: [128, 128] };
  const fp8 = (shape, scales, dtype = 'F8_E4M3', scaleType = 'F32') => {
    const count = (sizes) => sizes.reduce((product, size) => product * size, 1);
    return [
      tensor('w.weight', dtype, shape, new Uint8Array(count(shape) * (dtype === 'BF16' ? 2 : 1))),
      tensor(
        'w.weight_scale_inv',
        scaleType,
        scales,
        new Uint8Array(count(scales) * (scaleType === 'F32' ? 4 : scaleType === 'I64' ? 8 : 2)),
      ),
    ];
  };
  const without = (name, end) => {
    const { config, tensors } = kQuantizedCheckpoints[name];
    return [tensors().filter((one) => !one.name.endsWith(end)), config];
  };
  const reshaped = (name, end, shape) => {
    const { config, tensors } = kQuantizedCheckpoints[name];
    return [
      tensors().map((one) => {
        if (!one.name.endsWith(end)) return one;
        const bytes =
          (one.bytes.length / one.shape.reduce((product, size) => product * size, 1)) *
          shape.reduce((product, size) => product * size, 1);
        return { ...one, shape, bytes: Buffer.alloc(bytes) };
      }),
      config,
    ];
  };

  test.each([
    ['too few tiles', fp8([160, 160], [1, 2]), kFp8],
    ['too many tiles', fp8([160, 160], [2, 3]), kFp8],
    ['one scale where tiles are said', fp8([160, 160], []), kFp8],
    ['tiles of tiles', fp8([160, 160], [2, 2, 1]), kFp8],
    ['three tile sizes', fp8([160, 160], [2, 2]), { ...kFp8, weight_block_size: [1, 128, 128] }],
    ['scales of the columns', fp8([160, 16], [1, 16]), { ...kFp8, weight_block_size: null }],
    ['scales of whole numbers', fp8([160, 160], [2, 2], 'F8_E4M3', 'I64'), kFp8],
    ['weights that are no bytes', fp8([160, 160], [2, 2], 'BF16'), kFp8],
    ['no weights for scales', fp8([160, 160], [2, 2]).slice(1), kFp8],
    ['no scales of packed integers', ...without('packed int4', '_proj.weight_scale')],
    ['no shape of packed integers', ...without('packed int4', '_proj.weight_shape')],
    ['a shape of three numbers', ...reshaped('packed int4', 'q_proj.weight_shape', [3])],
    ['another shape', ...reshaped('packed int4', 'q_proj.weight_shape', [2])],
    ['other zero points', ...reshaped('packed int4 with zero points', 'q_proj.weight_zero_point', [8, 5])],
    ['other scales', ...reshaped('packed int4', 'q_proj.weight_scale', [128, 4])],
    ['no groups', ...without('GPTQ of 8 bits', 'q_proj.g_idx')],
    ['no zero points', ...without('GPTQ of 8 bits', 'q_proj.qzeros')],
    ['fewer groups', ...reshaped('GPTQ of 8 bits', 'q_proj.g_idx', [159])],
    ['other zeros', ...reshaped('GPTQ of 8 bits', 'q_proj.qzeros', [5, 31])],
    ['scales of another width', ...reshaped('GPTQ of 8 bits', 'q_proj.scales', [5, 120])],
    ['words of three dimensions', ...reshaped('GPTQ of 8 bits', 'q_proj.qweight', [40, 128, 1])],
  ])('%s', async (_, tensors, config) => {
    const decoding = decodedWeights(await open(tensors), hparamsOf(config));
    await expect(decoding).rejects.toMatchObject({ code: 'invalid_file', layer: expect.any(String) });
  });

  test.each([
    [{ quant_method: 'awq' }],
    [{ quant_method: '__proto__' }],
    [{ quant_method: 'gptq', bits: 3 }],
    [{ quant_method: 'compressed-tensors' }],
    [{ quant_method: 'compressed-tensors', format: 'pack-quantized', config_groups: { a: {}, b: {} } }],
    [{ quant_method: 'compressed-tensors', format: 'nvfp4-pack-quantized', config_groups: { a: { weights: {} } } }],
    [
      {
        quant_method: 'compressed-tensors',
        format: 'pack-quantized',
        config_groups: { a: { weights: { strategy: 'channel' } } },
      },
    ],
  ])('the method %j', async (config) => {
    const decoding = decodedWeights(await open(fp8([1, 1], [1, 1])), hparamsOf(config));
    await expect(decoding).rejects.toMatchObject({
      code: 'unsupported_dtype',
      message: expect.stringContaining('quantized'),
    });
  });

  test.each([
    [{ quant_method: 'gptq' }],
    [{ quant_method: 'gptq', bits: 'four' }],
    [{ ...kFp8, weight_block_size: 128 }],
    [{ ...kFp8, weight_block_size: [] }],
    [{ ...kFp8, weight_block_size: [128, -1] }],
    [
      {
        quant_method: 'compressed-tensors',
        format: 'pack-quantized',
        config_groups: { a: { weights: { strategy: 'group', num_bits: 40, group_size: 32 } } },
      },
    ],
    [
      {
        quant_method: 'compressed-tensors',
        format: 'pack-quantized',
        config_groups: { a: { weights: { strategy: 'group', num_bits: 4, group_size: 0 } } },
      },
    ],
  ])('the settings %j', async (config) => {
    const decoding = decodedWeights(await open(fp8([1, 1], [1, 1])), hparamsOf(config));
    await expect(decoding).rejects.toMatchObject({ code: 'invalid_file', file: 'config.json' });
  });

  test.each(Object.keys(kQuantizedCheckpoints))('%s of which config.json says nothing', async (name) => {
    const decoding = decodedWeights(await open(kQuantizedCheckpoints[name].tensors()), hparamsOf());
    await expect(decoding).rejects.toMatchObject({ code: 'unsupported_dtype' });
    await expect(decoding).rejects.toThrow(/quantized.*arrowquant dequantize/u);
  });

  test.each([
    ['MLX', { bits: 4, group_size: 64 }, ['w.weight', 'w.scales', 'w.biases']],
    ['NVFP4', undefined, ['w.weight', 'w.weight_scale', 'w.weight_scale_2']],
    ['NVFP4', { quant_method: 'modelopt', quant_algo: 'NVFP4' }, ['w.weight', 'w.weight_scale']],
    ['NVFP4', { quant_method: 'modelopt', quantized_layers: { w: { quant_algo: 'W4A16_NVFP4' } } }, ['w.weight', 'x']],
    ['bitsandbytes', undefined, ['w.weight', 'w.weight.absmax', 'w.weight.quant_state.bitsandbytes__nf4']],
    ['in the order of activations', kQuantizedCheckpoints['packed int4'].config, ['w.weight', 'w.weight_g_idx']],
  ])('%s is named (%j)', async (format, config, names) => {
    const tensors = names.map((name) => tensor(name, 'U8', [1, 1], [1]));
    const decoding = decodedWeights(await open(tensors), hparamsOf(config));
    await expect(decoding).rejects.toMatchObject({ code: 'unsupported_dtype' });
    await expect(decoding).rejects.toThrow(format);
  });

  test('a tensor of a type that is not read says what reads it', async () => {
    const [weight] = await decodedWeights(await open([tensor('w', 'U64', [1], new Uint8Array(8))]), hparamsOf());
    expect(weight.refusal.message).toContain('arrowquant dequantize');
  });

  test('a group that there is not, when it is read', async () => {
    const { config, tensors } = kQuantizedCheckpoints['GPTQ of 4 bits, version 2'];
    const all = tensors();
    all.find(({ name }) => name.endsWith('q_proj.g_idx')).bytes.writeInt32LE(5, 8);
    const weights = await decodedWeights(await open(all), hparamsOf(config));
    const weight = weights.find(({ name }) => name.endsWith('q_proj.weight'));
    await expect(read(weight, 100)).rejects.toMatchObject({
      code: 'invalid_file',
      layer: expect.stringContaining('g_idx'),
    });
  });
});

test('floats are floats, whatever config.json says of what they were', async () => {
  const model = await open([tensor('w.weight', 'BF16', [1, 1], [1, 2])]);
  const weights = await decodedWeights(model, hparamsOf({ quant_method: 'bitsandbytes', load_in_4bit: true }));
  expect(weights).toEqual(model.tensors);
});

test('experts of a layer have tiles of their own', async () => {
  const shape = [3, 130, 4];
  const codes = Uint8Array.from({ length: 3 * 130 * 4 }, () => 0x38);
  const scales = new Float32Array([1, 2, 3, 4, 5, 6]);
  const model = await open([
    tensor('e', 'F8_E4M3', shape, codes),
    tensor('e_scale_inv', 'F32', [3, 2, 1], bytesOf(scales)),
  ]);
  const [weight, ...others] = await decodedWeights(
    model,
    hparamsOf({ quant_method: 'fp8', weight_block_size: [128, 128] }),
  );
  expect([weight.name, weight.shape, others]).toEqual(['e', shape, []]);
  const expected = Array.from({ length: 3 * 130 * 4 }, (_, index) => {
    const row = Math.floor(index / 4);
    return scales[Math.floor(row / 130) * 2 + Number(row % 130 >= 128)];
  });
  for (const step of [7, 520, 4000]) expect(floats(await read(weight, step))).toEqual(expected);
});
