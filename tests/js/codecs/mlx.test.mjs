import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openTranscoder, weightsOf } from '../support/foreign-codecs.mjs';
import { readModel } from '../support/models/safetensors.mjs';

const read = (name) => readFileSync(new URL(`../../golden/${name}`, import.meta.url));
const source = readModel(read('source/tensors.safetensors')).tensors;
const dequantized = JSON.parse(read('mlx/dequantized.json'));

const kTypes = { F32: 'f32', F16: 'f16', BF16: 'bf16' };
const kMicroscaled = { mxfp4: 32, mxfp8: 32, nvfp4: 16 };

/** The codec of a tensor of this type in the golden file of this name. */
function codecOf(file, dtype) {
  const type = kTypes[dtype];
  const affine = /^affine_b(\d)_g(\d+)$/.exec(file);
  if (affine === null) return { name: `mlx_${file}_${type}`, bits: 0, groupSize: kMicroscaled[file], symmetric: false };
  return { name: `mlx_${type}`, bits: Number(affine[1]), groupSize: Number(affine[2]), symmetric: false };
}

/** The planes of a tensor in a golden file. */
const planesOf = (tensors, name) =>
  ['weight', 'scales', 'biases'].flatMap((plane) => tensors.get(`${name}.${plane}`)?.bytes ?? []);

describe.each(['threads', 'workers', 'single'])('MLX, backend %s', (backend) => {
  let transcoder;

  beforeAll(async () => {
    transcoder = await openTranscoder(backend);
  });
  afterAll(() => transcoder.dispose());

  describe.each(Object.keys(dequantized))('%s', (file) => {
    const golden = readModel(read(`mlx/${file}.safetensors`)).tensors;

    test.each(Object.keys(dequantized[file]))('encodes %s to the same bytes', async (name) => {
      const tensor = source.get(`${name}.weight`);
      const planes = await transcoder.encode(tensor, codecOf(file, tensor.dtype));
      const expected = planesOf(golden, name);
      expect(planes).toHaveLength(expected.length);
      planes.forEach((plane, index) => expect(plane.equals(expected[index])).toBe(true));
    });

    test.each(Object.entries(dequantized[file]))('decodes %s to the same numbers', async (name, hash) => {
      const { dtype, bytes } = source.get(`${name}.weight`);
      const codec = codecOf(file, dtype);
      const weights = await transcoder.decode(weightsOf({ dtype, bytes }), codec, planesOf(golden, name), dtype);
      expect(createHash('sha256').update(weights).digest('hex')).toBe(hash);
    });
  });

  test('an f32 source is rounded to the type first', async () => {
    const name = 'lm_head';
    const wide = source.get(`${name}.weight`);
    const halves = await transcoder.decode(weightsOf(wide), plain('F32'), [wide.bytes], 'F16');
    for (const file of ['affine_b4_g64', 'mxfp4', 'nvfp4']) {
      const codec = codecOf(file, 'F16');
      const planes = await transcoder.encode(wide, codec);
      expect(planes).toEqual(await transcoder.encode({ dtype: 'F16', bytes: halves }, codec));
    }
  });

  const plain = (name) => ({ name, bits: 0, groupSize: 0, symmetric: false });
  const floats = (...values) => ({ dtype: 'F32', bytes: Buffer.from(Float32Array.from(values).buffer) });

  test.each([
    ['NaN', [1, Number.NaN, 1e9], 'F16', 'not_finite', 1],
    ['an infinity', [1, 2, -Infinity], 'F32', 'not_finite', 2],
    ['a weight that f16 has not', [1, 70000], 'F16', 'float_overflow', 1],
    ['more extent than f32 has', [3e38, -3e38], 'F32', 'scale_overflow', 0],
  ])('%s is refused', async (_, values, dtype, code, index) => {
    const codec = codecOf('affine_b4_g32', dtype);
    await expect(transcoder.encode(floats(...values), codec)).rejects.toMatchObject({ code, index });
  });

  test.each([
    ['affine_b4_g32', 'F16', [new Uint8Array(32), Uint8Array.of(0, 0x3c, 0, 0x7c), new Uint8Array(4)]],
    ['affine_b4_g32', 'BF16', [new Uint8Array(32), new Uint8Array(4), Uint8Array.of(0, 0, 0xc0, 0xff)]],
    ['mxfp4', 'F32', [new Uint8Array(32), Uint8Array.of(127, 255)]],
    ['mxfp4', 'F16', [new Uint8Array(32), Uint8Array.of(142, 143)]],
  ])('%s in %s: a scale that no encoder writes is refused', async (file, dtype, planes) => {
    const decoded = transcoder.decode(64, codecOf(file, dtype), planes, 'F32');
    await expect(decoded).rejects.toMatchObject({ code: 'invalid_file', index: 32 });
  });
});
