import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openTranscoder } from '../support/foreign-codecs.mjs';
import { readModel } from '../support/models/safetensors.mjs';

const read = (name) => readModel(readFileSync(new URL(`../../golden/${name}`, import.meta.url))).tensors;
const source = read('source/tensors.safetensors');

const integers = (bits, groupSize, symmetric) => ({ family: 'ct_int', bits, groupSize, symmetric });
const floats = (family) => ({ family, bits: 0, groupSize: 0, symmetric: false });

const kSchemes = {
  W4A16: integers(4, 128, true),
  W4A16_asym_g32: integers(4, 32, false),
  W8A16: integers(8, 128, true),
  W8A16_asym_g64: integers(8, 64, false),
  W3A16_sym_g64: integers(3, 64, true),
  NVFP4A16: floats('ct_nvfp4'),
  MXFP4A16: floats('ct_mxfp4'),
  MXFP8A16: floats('ct_mxfp8'),
};

const codecOf = ({ family, ...parameters }, dtype) => ({ name: `${family}_${dtype.toLowerCase()}`, ...parameters });

/** Zero points, a byte each and row by row, of I32 that are packed down the columns. */
function zeroPointsOf({ bytes, shape: [, groups] }, rows, bits) {
  const words = new Uint32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  const bitAt = (row, group, bit) => {
    const at = row * bits + bit;
    return (words[Math.floor(at / 32) * groups + group] >>> (at % 32)) & 1;
  };
  return Buffer.from(
    Array.from({ length: rows * groups }, (_, index) => {
      const [row, group] = [Math.floor(index / groups), index % groups];
      return Array.from({ length: bits }, (__, bit) => bitAt(row, group, bit) << bit).reduce((sum, one) => sum + one);
    }),
  );
}

/** The planes that a file has of a layer; of symmetric integers no zero points. */
function planesOf(tensors, layer, { bits, symmetric }, rows) {
  const at = (suffix) => tensors.get(`${layer}.weight${suffix}`);
  const zeroPoint = at('_zero_point');
  return [
    (at('_packed') ?? at('')).bytes,
    at('_scale').bytes,
    ...(at('_global_scale') === undefined ? [] : [at('_global_scale').bytes]),
    ...(symmetric || zeroPoint === undefined ? [] : [zeroPointsOf(zeroPoint, rows, bits)]),
  ];
}

const layersOf = (tensors) =>
  [...tensors.keys()].flatMap((name) => (name.endsWith('.weight_scale') ? [name.slice(0, -13)] : []));

describe.each(['threads', 'workers', 'single'])('compressed-tensors, backend %s', (backend) => {
  let transcoder;

  beforeAll(async () => {
    transcoder = await openTranscoder(backend);
  });
  afterAll(() => transcoder.dispose());

  describe.each(Object.entries(kSchemes))('%s', (name, scheme) => {
    const golden = read(`compressed-tensors/${name}/model.safetensors`);

    test.each(layersOf(golden))('%s', async (layer) => {
      const tensor = source.get(`${layer}.weight`);
      const codec = codecOf(scheme, tensor.dtype);
      const expected = planesOf(golden, layer, scheme, tensor.shape[0]);
      const planes = await transcoder.encode(tensor, codec);
      expected.forEach((plane, index) => expect(planes[index].equals(plane)).toBe(true));
    });
  });

  test('a tensor that shares its global scale with a larger one has that of both', async () => {
    const tensor = source.get('model.layers.0.self_attn.q_proj.weight');
    const codec = codecOf(floats('ct_nvfp4'), 'BF16');
    const own = await transcoder.encode(tensor, codec);
    const range = { lo: -64, hi: 1, extreme: -64 };
    const [packed, scales, globalScale] = await transcoder.encode(tensor, codec, { range });
    expect(globalScale.readFloatLE()).toBe(2688 / 64);
    expect(globalScale.equals(own[2])).toBe(false);
    expect(packed.length).toBe(own[0].length);
    expect(scales.equals(own[1])).toBe(false);
  });

  test.each([
    ['ct_int_f16', { bits: 4, groupSize: 32, symmetric: false }, [1, 70000], 'float_overflow', 1],
    ['ct_int_bf16', { bits: 4, groupSize: 32, symmetric: true }, [1, Number.NaN], 'not_finite', 1],
    ['ct_int_f32', { bits: 8, groupSize: 32, symmetric: false }, [3e38, -3e38], 'scale_overflow', 0],
    ['ct_mxfp4_f16', {}, [1, 60000], 'scale_overflow', 0],
    ['ct_nvfp4_bf16', {}, [1, 2, Infinity], 'not_finite', 2],
  ])('%s refuses what it cannot hold', async (name, parameters, values, code, index) => {
    const tensor = { dtype: 'F32', bytes: Buffer.from(Float32Array.from(values).buffer) };
    const codec = { name, bits: 0, groupSize: 0, symmetric: false, ...parameters };
    await expect(transcoder.encode(tensor, codec)).rejects.toMatchObject({ code, index });
  });
});
