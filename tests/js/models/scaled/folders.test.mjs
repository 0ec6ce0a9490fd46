import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../../support/models/folder.mjs';
import { copyGolden, golden, goldenJson, goldenModel, writeModelFolder } from '../../support/models/model-folder.mjs';
import { bfloatTensor, floatsOf, fromFloats, modelFile } from '../../support/models/safetensors.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const { abs, floor, fround, log2, max } = Math;

describe.each(Object.entries(goldenJson('mlx/dequantized.json')))('MLX: %s', (name, digests) => {
  const [, bits, groupSize] = /^affine_b(\d)_g(\d+)$/u.exec(name) ?? [];
  const quantization = bits === undefined ? null : { bits: Number(bits), group_size: Number(groupSize) };
  const input = () => copyGolden(folder.path('in'), `mlx/${name}.safetensors`, quantization && { quantization });

  test('weights are what mx.dequantize restores', async () => {
    const source = input();
    const { tensors: weights } = goldenModel('source/tensors.safetensors');
    for (const [module, digest] of Object.entries(digests)) {
      const values = await quantizer.readTensor(source, `${module}.weight`);
      const { dtype, shape } = weights.get(`${module}.weight`);
      const { bytes } = fromFloats('', dtype, shape, values);
      expect([module, sha256(bytes)]).toEqual([module, digest]);
    }
  });

  test('they are inspected by their names, shapes and types', async () => {
    const { tensors } = await quantizer.inspectFile(input());
    const type = bits === undefined ? `mlx ${name}` : `mlx int${bits} g${groupSize}`;
    const quantized = tensors.filter((one) => one.type === type).map((one) => one.name);
    expect(quantized).toEqual(
      Object.keys(digests)
        .map((module) => `${module}.weight`)
        .toSorted(),
    );
    const source = goldenModel('source/tensors.safetensors').tensors;
    for (const { name: one, shape } of tensors) expect([one, shape]).toEqual([one, source.get(one).shape]);
  });
});

describe('what config.json says of MLX', () => {
  const kModule = 'model.layers.0.self_attn.q_proj';
  const input = (config) => copyGolden(folder.path('in'), 'mlx/affine_b4_g64.safetensors', config);
  const typeOf = async (config) => {
    const { tensors } = await quantizer.inspectFile(input(config));
    return tensors.find(({ name }) => name === `${kModule}.weight`)?.type;
  };

  test('is for all modules, for one, or under the other name', async () => {
    expect(await typeOf({ quantization: { bits: 4, group_size: 64, mode: 'affine' } })).toBe('mlx int4 g64');
    const own = { quantization: { bits: 4, group_size: 64, [kModule]: { bits: 8, group_size: 32 } } };
    expect(await typeOf(own)).toBe('mlx int8 g32');
    expect(await typeOf({ quantization_config: { bits: 4, group_size: 64 } })).toBe('mlx int4 g64');
    // What is not said is what mlx-lm takes then.
    expect(await typeOf({ quantization: { [kModule]: { bits: 4, group_size: null } } })).toBe('mlx int4 g64');
  });

  test.each([
    [null, 'invalid_file', /may be int2 g128 or int4 g64 or int8 g32; put the model's config.json beside the file/],
    [{}, 'invalid_file', /may be int2 g128/],
    [{ quantization: { bits: 3, group_size: 64 } }, 'invalid_file', /has not the shape that int3 g64 in config.json/],
    [{ quantization: { bits: 4, group_size: 64, mode: 'mxfp4' } }, 'invalid_file', /has not the shape that mxfp4/],
    [{ quantization: { bits: 7, group_size: 64 } }, 'unsupported_dtype', /MLX's int7 g64/],
    [{ quantization: { bits: 4, group_size: 16 } }, 'unsupported_dtype', /MLX's int4 g16/],
    [{ quantization: { mode: 'codebook' } }, 'unsupported_dtype', /MLX's mode "codebook"/],
    [
      { quantization: { bits: 4, group_size: 64, [kModule]: false } },
      'invalid_file',
      /config.json says that it is not/,
    ],
  ])('is needed, and has to fit: %j', async (config, code, says) => {
    const source = input(config);
    const about = { code, message: expect.stringMatching(says) };
    await expect(quantizer.readTensor(source, `${kModule}.weight`)).rejects.toMatchObject(about);
    await expect(quantizer.dequantizeFile(source, folder.path('out.safetensors'))).rejects.toMatchObject({ code });
    expect(folder.list()).toEqual(['in']);
  });

  test('is read without it where only one pair of bits and group size can be', async () => {
    const source = copyGolden(folder.path('in'), 'mlx/affine_b5_g64.safetensors', null);
    expect((await quantizer.inspectFile(source)).tensors[0].type).toBe('mlx int5 g64');
  });

  test('is refused where it is no JSON object, or too long', async () => {
    const source = input({});
    for (const [text, says] of [
      ['[]', /is not a JSON object/],
      ['{', /is not valid JSON/],
      [`{"a": "${'x'.repeat(2 ** 24)}"}`, /over the limit of 16777216/],
    ]) {
      writeFileSync(folder.path('in/config.json'), text);
      const about = { code: 'invalid_file', message: expect.stringMatching(says), file: folder.path('in/config.json') };
      await expect(quantizer.readTensor(source, `${kModule}.weight`)).rejects.toMatchObject(about);
    }
  });
});

/** The elements of a stream of `bits` bits each, the first one in the lowest bits. */
function unpacked(bytes, bits, count) {
  return Array.from({ length: count }, (_, index) => {
    const at = index * bits;
    const pair = bytes[floor(at / 8)] | ((bytes[floor(at / 8) + 1] ?? 0) << 8);
    return (pair >> (at % 8)) & (2 ** bits - 1);
  });
}

/** Rounds to a type, half to even. */
function roundTo(dtype, value) {
  if (dtype === 'F32' || value === 0) return fround(value);
  const [fraction, least] = dtype === 'F16' ? [10, -14] : [7, -126];
  const step = 2 ** (max(floor(log2(abs(value))), least) - fraction);
  const below = floor(value / step);
  const rest = value / step - below;
  return (rest > 0.5 || (rest === 0.5 && below % 2 !== 0) ? below + 1 : below) * step;
}

describe.each([
  ['W3A16_sym_g64', 3, 64],
  ['W4A16', 4, 128],
  ['W4A16_asym_g32', 4, 32],
  ['W8A16', 8, 128],
  ['W8A16_asym_g64', 8, 64],
])('integers of compressed-tensors: %s', (name, bits, group) => {
  const file = `compressed-tensors/${name}/model.safetensors`;
  const { tensors } = goldenModel(file);
  const modules = [...tensors.keys()]
    .filter((one) => one.endsWith('_packed'))
    .map((one) => one.slice(0, -'_packed'.length));

  test('weights are (level - zero point) · scale, in the type of the scales', async () => {
    for (const module of modules) {
      const part = (suffix) => tensors.get(`${module}_${suffix}`);
      const [rows, columns] = [0, 8].map((at) => Number(part('shape').bytes.readBigInt64LE(at)));
      const levels = unpacked(part('packed').bytes, bits, rows * columns);
      const scales = floatsOf(part('scale'));
      const { dtype } = part('scale');
      const groups = columns / group;
      const words = part('zero_point');
      // Down each column, the zero points are a stream of their own.
      const zeros = Array.from({ length: words === undefined ? 0 : groups }, (_, column) => {
        const stream = Buffer.alloc(4 * words.shape[0]);
        for (let row = 0; row < words.shape[0]; ++row) {
          words.bytes.copy(stream, 4 * row, 4 * (row * groups + column), 4 * (row * groups + column + 1));
        }
        return unpacked(stream, bits, rows);
      });
      const wanted = levels.map((level, index) => {
        const [row, column] = [floor(index / columns), floor((index % columns) / group)];
        const zero = zeros[column]?.[row] ?? 2 ** (bits - 1);
        return roundTo(dtype, (level - zero) * scales[row * groups + column]) || 0;
      });
      const read = await quantizer.readTensor(golden(file), module);
      expect([...read].map((value) => value || 0)).toEqual(wanted);
    }
  });

  test('types say bits and groups', async () => {
    const { tensors: shown } = await quantizer.inspectFile(golden(file));
    const types = new Set(shown.filter((one) => modules.includes(one.name)).map((one) => one.type));
    expect([...types]).toEqual([`ct int${bits} g${group}${name.includes('asym') ? ' asymmetric' : ''}`]);
  });
});

describe('other groups of compressed-tensors', () => {
  const kRows = 24;
  const bytes = (name, dtype, shape, content) => ({ name, dtype, shape, bytes: Buffer.from(content) });
  const layer = ({ columns, groups, packed = (columns * 4) / 32, rows = kRows, shape = [rows, columns] }) => [
    bytes(
      'a.weight_packed',
      'I32',
      [rows, packed],
      Array.from({ length: rows * packed * 4 }, (_, i) => (i * 37) % 256),
    ),
    bfloatTensor('a.weight_scale', [rows, groups], 5),
    bytes('a.weight_shape', 'I64', [2], new Uint8Array(BigInt64Array.from(shape, BigInt).buffer)),
  ];
  const write = (tensors) => folder.write('in.safetensors', modelFile(tensors));

  test.each([
    [512, 1, 'ct int4 rows'],
    [512, 2, 'ct int4 g256'],
    [1536, 3, 'ct int4 g512'],
    [384, 4, 'ct int4 g96'],
  ])('rows of %i weights with %i scales are %s', async (columns, groups, type) => {
    const tensors = layer({ columns, groups });
    const input = write(tensors);
    expect((await quantizer.inspectFile(input)).tensors).toMatchObject([{ name: 'a.weight', type }]);
    const scales = floatsOf(tensors[1]);
    const levels = unpacked(tensors[0].bytes, 4, kRows * columns);
    const read = await quantizer.readTensor(input, 'a.weight');
    const wanted = levels.map((level, index) => {
      const group = floor(index / columns) * groups + floor((index % columns) / (columns / groups));
      return roundTo('BF16', (level - 8) * scales[group]) || 0;
    });
    expect([...read].map((value) => value || 0)).toEqual(wanted);
  });

  test.each([
    [{ columns: 64, groups: 4 }, 'unsupported_dtype', /a scale for each 16 weights/],
    [{ columns: 64, groups: 1, packed: 7 }, 'unsupported_dtype', /64 weights in 7 words/],
    [{ columns: 64, groups: 1, shape: [12, 128] }, 'invalid_file', /has not the shape that its weight_shape says/],
    [{ columns: 64, groups: 1, shape: [-24, 64] }, 'invalid_file', /has not the shape/],
    [{ columns: 64, groups: 3 }, 'invalid_file', /72 scales, which are not so many for each of its 24 rows/],
  ])('%j is refused', async (parts, code, says) => {
    const about = { code, message: expect.stringMatching(says) };
    await expect(quantizer.readTensor(write(layer(parts)), 'a.weight')).rejects.toMatchObject(about);
  });

  test('zero points of another shape are refused', async () => {
    const zeros = bytes('a.weight_zero_point', 'I32', [2, 2], Array(16).fill(0));
    const input = write([...layer({ columns: 128, groups: 2 }), zeros]);
    const about = { code: 'invalid_file', message: expect.stringMatching(/needs \[3, 2\] I32 of zero points/) };
    await expect(quantizer.readTensor(input, 'a.weight')).rejects.toMatchObject(about);
  });
});

test.each(['MXFP4A16', 'NVFP4A16', 'MXFP8A16'])('%s of compressed-tensors is read near to its source', async (name) => {
  const config = JSON.parse(readFileSync(golden(`compressed-tensors/${name}/config.json`), 'utf8'));
  const input = copyGolden(folder.path('in'), `compressed-tensors/${name}/model.safetensors`, config);
  const { tensors, onlyInA, onlyInB } = await quantizer.compareFiles(golden('source/tensors.safetensors'), input);
  expect([onlyInA, onlyInB]).toEqual([[], []]);
  for (const { name: one, relativeRmse } of tensors) expect([one, relativeRmse < 0.15]).toEqual([one, true]);
});

test('powers of two beside fp8 are refused where config.json does not say in which order they are', async () => {
  const name = 'compressed-tensors/MXFP8A16/model.safetensors';
  for (const config of [null, { quantization_config: { quant_method: 'fp8' } }]) {
    const input = copyGolden(folder.path(`in${String(config)}`), name, config);
    await expect(quantizer.readTensor(input, 'lm_head.weight')).rejects.toMatchObject({ code: 'unsupported_dtype' });
  }
});

test('MLC-LLM keeps its weights in shapes of words that are no other ones', async () => {
  const tensors = [
    { name: 'a.q_weight', dtype: 'U32', shape: [4, 8], bytes: Buffer.alloc(128) },
    { name: 'a.q_scale', dtype: 'F16', shape: [4, 4], bytes: Buffer.alloc(32) },
  ];
  const input = folder.write('in.safetensors', modelFile(tensors));
  const about = {
    code: 'unsupported_dtype',
    message: expect.stringMatching(/integers of MLC in the shapes \[4, 8\] and \[4, 4\]/),
  };
  await expect(quantizer.dequantizeFile(input, folder.path('out.safetensors'))).rejects.toMatchObject(about);
});

test('what is read becomes a GGUF, and safetensors of affine levels', async () => {
  const config = { quantization: { bits: 4, group_size: 64 } };
  const input = copyGolden(folder.path('in'), 'mlx/affine_b4_g64.safetensors', config);
  const report = await quantizer.quantizeFile(input, folder.path('out.gguf'), { type: 'F32', architecture: 'none' });
  expect(report.tensors.map(({ from, to }) => [from, to])).toEqual(Array(4).fill(['mlx int4 g64', 'F32']));
  expect(report.dropped).toHaveLength(8);
  const comparison = await quantizer.compareFiles(input, folder.path('out.gguf'));
  expect(comparison.tensors.map(({ equal }) => equal)).toEqual(Array(4).fill(true));
  const affine = await quantizer.quantizeFile(input, folder.path('out.safetensors'), { bits: 8, mode: 'base' });
  expect(affine.warnings.map(({ code }) => code)).toEqual(['quantized_again']);
});

test('a folder without weights that are quantized needs no config.json', async () => {
  const input = writeModelFolder(folder.path('in'), [bfloatTensor('a.weight', [4, 64])], 'no object');
  expect((await quantizer.inspectFile(input)).tensors).toMatchObject([{ name: 'a.weight', type: 'BF16' }]);
});
