import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { readGguf } from '../../peers/tiny-llama.mjs';
import { answer, rangeOf, useServers } from '../runtime/support/server.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { fp8Tensor, kFp8Values } from '../support/models/fp8.mjs';
import { floatsOf, fromFloats, halfTensor, modelFile } from '../support/models/safetensors.mjs';

const kOfNoFamily = { type: 'Q8_0', architecture: 'none' };

const folder = useFolder();
const servers = useServers();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const write = (tensors) => folder.write('in.safetensors', modelFile(tensors));

async function convert(tensors, options) {
  const report = await quantizer.quantizeFile(write(tensors), folder.path('out.gguf'), { ...kOfNoFamily, ...options });
  const { tensors: stored } = readGguf(readFileSync(folder.path('out.gguf')));
  return { report, names: stored.map(({ name }) => name), of: (name) => stored.find((one) => one.name === name) };
}

const valuesOf = ({ type, bytes }) => Array.from(floatsOf({ dtype: type, bytes }));

const codesOf = (values, fits) => [...values.keys()].filter((code) => fits(values[code]));

describe.each(Object.entries(kFp8Values))('%s', (dtype, values) => {
  const finite = codesOf(values, Number.isFinite);
  const others = codesOf(values, (value) => !Number.isFinite(value));

  test('all finite codes get their values, as F32 and as F16', async () => {
    expect(finite).toHaveLength(dtype === 'F8_E4M3' ? 254 : 248);
    for (const type of ['F32', 'F16']) {
      const { of } = await convert([fp8Tensor('a.weight', dtype, [2, finite.length / 2], finite)], { type });
      expect(of('a.weight').type).toBe(type);
      expect(valuesOf(of('a.weight'))).toEqual(finite.map((code) => values[code]));
    }
  });

  test.each(others)('code %i is NaN or infinite, and refused with tensor and index', async (code) => {
    const bytes = new Uint8Array(4096);
    bytes[3210] = code;
    const input = write([fp8Tensor('a.weight', dtype, [64, 64], bytes)]);
    for (const type of ['F32', 'F16', 'Q8_0']) {
      const call = quantizer.quantizeFile(input, folder.path('out.gguf'), { ...kOfNoFamily, type });
      await expect(call).rejects.toMatchObject({ code: 'not_finite', layer: 'a.weight', index: 3210 });
    }
    expect(folder.list()).toEqual(['in.safetensors']);
  });

  test('blocks of it are those of the same values in F32', async () => {
    const bytes = Uint8Array.from({ length: 512 * 256 }, (_, i) => finite[(i * 7919) % finite.length]);
    const floats = Float32Array.from(bytes, (code) => values[code]);
    for (const type of ['Q8_0', 'Q4_K_M', 'Q2_K', 'IQ4_NL']) {
      const one = await convert([fp8Tensor('a.weight', dtype, [512, 256], bytes)], { type });
      const other = await convert([fromFloats('a.weight', 'F32', [512, 256], floats)], { type });
      expect(one.of('a.weight').type).toBe(other.of('a.weight').type);
      expect(one.of('a.weight').bytes.equals(other.of('a.weight').bytes)).toBe(true);
    }
  });
});

describe('scaled fp8', () => {
  const codes = codesOf(kFp8Values.F8_E4M3, Number.isFinite);
  const weight = (stem) => fp8Tensor(`${stem}.weight`, 'F8_E4M3', [2, 127], codes);
  const mark = (prefix, shape = [0]) => fp8Tensor(`${prefix}scaled_fp8`, 'F8_E4M3', shape, new Uint8Array(shape[0]));
  const scale = (name, dtype, value, shape = []) => fromFloats(name, dtype, shape, [value]);

  test.each([
    ['F32', 0.0123456, []],
    ['F32', -3, [1]],
    ['F16', 0.0625, []],
    ['F16', 2 ** -20, [1]],
    ['BF16', 0.0078125, [1]],
    ['BF16', 1.5, []],
  ])('a scale of %s, %d, shape %j, is multiplied with', async (dtype, factor, shape) => {
    const stored = scale('a.scale_weight', dtype, factor, shape);
    const { report, names, of } = await convert([weight('a'), stored], { type: 'F32' });
    expect(names).toEqual(['a.weight']);
    const [exact] = floatsOf(stored);
    expect(valuesOf(of('a.weight'))).toEqual(codes.map((code) => Math.fround(kFp8Values.F8_E4M3[code] * exact)));
    expect(report.tensors).toMatchObject([{ name: 'a.weight', from: 'F8_E4M3 scaled', to: 'F32' }]);
    const rule = 'scaled fp8: taken into the weights';
    expect(report.dropped).toMatchObject([{ name: 'a.scale_weight', from: dtype, rule }]);
  });

  test.each(['scale_weight', 'weight_scale', 'weight_scale_inv'])('the scale may be called %s', async (name) => {
    const { names, of } = await convert([weight('x.a'), scale(`x.a.${name}`, 'F32', 2)], { type: 'F16' });
    expect(names).toEqual(['x.a.weight']);
    expect(valuesOf(of('x.a.weight'))).toEqual(codes.map((code) => 2 * kFp8Values.F8_E4M3[code]));
  });

  test.each([[[0]], [[2]]])(
    'the mark of shape %j and scales of activations are left out, other tensors stay',
    async (shape) => {
      const tensors = [
        ...[weight('a'), scale('a.scale_weight', 'F32', 0.5), scale('a.scale_input', 'F32', 7), mark('', shape)],
        ...[weight('b'), halfTensor('c.weight', [4, 32]), scale('c.scale_weight', 'F32', 9)],
      ];
      const { names, of } = await convert(tensors, { type: 'F32' });
      expect(names.sort()).toEqual(['a.weight', 'b.weight', 'c.scale_weight', 'c.weight']);
      expect(valuesOf(of('b.weight'))).toEqual(codes.map((code) => kFp8Values.F8_E4M3[code]));
      expect(valuesOf(of('c.scale_weight'))).toEqual([9]);
    },
  );

  test('of a diffusion model with a prefix', async () => {
    const prefix = 'model.diffusion_model.';
    const name = `${prefix}double_blocks.0.img_attn.proj`;
    const { report, names } = await convert([mark(prefix), weight(name), scale(`${name}.scale_weight`, 'F32', 3)], {
      ...{ type: 'F16', architecture: null },
    });
    expect([report.architecture, names]).toEqual(['flux', ['double_blocks.0.img_attn.proj.weight']]);
  });

  test.each([[[3, 1]], [[3]], [[1, 4]]])('scales of shape %j are refused before a byte is written', async (shape) => {
    const scales = fromFloats('a.weight_scale', 'F32', shape, new Float32Array(shape[0] * (shape[1] ?? 1)).fill(1));
    const input = write([weight('a'), scales]);
    const call = quantizer.quantizeFile(input, folder.path('out.gguf'), kOfNoFamily);
    await expect(call).rejects.toMatchObject({ code: 'invalid_file', layer: 'a.weight' });
    await expect(call).rejects.toThrow(/"a\.weight" is fp8 with scales of shape .*convert the model to BF16 first/);
    expect(folder.list()).toEqual(['in.safetensors']);
  });

  test.each([
    ['NaN', scale('a.scale_weight', 'F32', NaN), /not finite/],
    ['infinite', scale('a.scale_weight', 'F16', Infinity), /not finite/],
    ['no float', { name: 'a.scale_weight', dtype: 'U8', shape: [1], bytes: Buffer.from([1]) }, /is no float/],
  ])('a scale that is %s is refused', async (_, bad, says) => {
    const call = quantizer.quantizeFile(write([weight('a'), bad]), folder.path('out.gguf'), kOfNoFamily);
    await expect(call).rejects.toThrow(says);
    await expect(call).rejects.toMatchObject({ code: 'invalid_file', layer: 'a.weight' });
  });

  test('the scales of all tensors are asked for at once, and of those that are wrong the first is told', async () => {
    const kTensors = 20;
    // Weights and scales in turn, far apart.
    const large = (stem) => fp8Tensor(`${stem}.weight`, 'F8_E4M3', [400, 254], Array(400).fill(codes).flat());
    const modelOf = (valueOf) =>
      modelFile(
        Array.from({ length: kTensors }, (_, index) => [
          large(`layer.${index}`),
          scale(`layer.${index}.weight_scale`, 'F32', valueOf(index)),
        ]).flat(),
      );
    let contents = modelOf((index) => index + 1);
    const waiting = [];
    const server = await servers.serve((request, response) => {
      const [begin, end] = rangeOf(request, contents.length);
      const give = () => answer(request, response, contents);
      if (end - begin > 4) return give();
      // None is answered before all are asked for.
      if (waiting.push(give) === kTensors) for (const one of waiting.splice(0)) one();
    });
    const url = server.url('/m.safetensors');
    expect((await quantizer.plan(url, { ...kOfNoFamily, type: 'F32' })).tensors).toHaveLength(kTensors);
    contents = modelOf((index) => ([7, 12].includes(index) ? Infinity : 1));
    const wrong = { code: 'invalid_file', layer: 'layer.7.weight' };
    await expect(quantizer.plan(url, { ...kOfNoFamily, type: 'F32' })).rejects.toMatchObject(wrong);
  });

  test('products beyond F16 are refused, or make the tensor F32', async () => {
    const input = write([weight('a'), scale('a.scale_weight', 'F32', 200)]);
    const first = codes.findIndex((code) => Math.abs(kFp8Values.F8_E4M3[code] * 200) >= 65_520);
    const call = quantizer.quantizeFile(input, folder.path('out.gguf'), { ...kOfNoFamily, type: 'F16' });
    await expect(call).rejects.toMatchObject({ code: 'float_overflow', layer: 'a.weight', index: first });
    const { tensors } = await quantizer.plan(input, { ...kOfNoFamily, type: 'F16', f16Overflow: 'f32' });
    expect(tensors).toMatchObject([{ to: 'F32', rule: 'too large for F16' }]);
  });

  test('is of the type fp8 to rules', async () => {
    const large = fp8Tensor('a.weight', 'F8_E4M3', [16, 127], Array(8).fill(codes).flat());
    const scaled = write([large, scale('a.scale_weight', 'F32', 0.5), mark('')]);
    const kept = async (dtype) => {
      const rules = [{ name: 'others', when: { dtypeNotIn: [dtype] }, type: 'F32' }];
      return (await quantizer.plan(scaled, { ...kOfNoFamily, rules })).tensors.map(({ rule }) => rule);
    };
    expect(await kept('F8_E4M3')).not.toContain('others');
    expect(await kept('F8_E5M2')).toContain('others');
  });

  test('is compared and read by its values', async () => {
    const scaled = write([weight('a'), scale('a.scale_weight', 'F32', 0.5), mark('')]);
    await quantizer.quantizeFile(scaled, folder.path('out.gguf'), { ...kOfNoFamily, type: 'F32' });
    const comparison = await quantizer.compareFiles(scaled, folder.path('out.gguf'));
    expect(comparison).toMatchObject({ tensors: [{ equal: true }], onlyInA: [], onlyInB: [] });
    const expected = codes.map((code) => kFp8Values.F8_E4M3[code] / 2);
    expect(Array.from(await quantizer.readTensor(scaled, 'a.weight'))).toEqual(expected);
  });
});
