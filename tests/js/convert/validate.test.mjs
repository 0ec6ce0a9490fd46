import { statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import { float32Tensor, modelFile } from '../support/models/safetensors.mjs';
import { randomWeights } from '../support/weights.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const ids = (last) => ({ name: 'ids', dtype: 'I64', shape: [1], bytes: Buffer.from([1, 0, 0, 0, 0, 0, 0, last]) });
const kTensors = [float32Tensor('a.weight', [64, 256], 1), float32Tensor('b.weight', [32, 128], 2), ids(0)];
const write = (name, tensors) => folder.write(name, modelFile(tensors));

function cosine(a, b) {
  let [dot, squaresA, squaresB] = [0, 0, 0];
  for (let i = 0; i < a.length; ++i) {
    dot += a[i] * b[i];
    squaresA += a[i] * a[i];
    squaresB += b[i] * b[i];
  }
  return dot / Math.sqrt(squaresA * squaresB);
}

describe('validate, of files', () => {
  test('measures each layer, and bytes of files', async () => {
    const [original, quantized] = [write('in.safetensors', kTensors), folder.path('out.safetensors')];
    await quantizer.quantizeFile(original, quantized, { bits: 2 });
    const validation = await quantizer.validate(original, quantized, { minCosine: 0.5 });
    const expected = new Map();
    for (const name of ['a.weight', 'b.weight']) {
      const [before, after] = [await quantizer.readTensor(original, name), await quantizer.readTensor(quantized, name)];
      expected.set(name, expect.closeTo(cosine(before, after), 10));
    }
    const [bytes, before] = [statSync(quantized).size, statSync(original).size];
    const [a, b] = [...validation.perLayerAccuracy.values()];
    expect(validation).toEqual({
      ...{ cosineSimilarity: (a + b) / 2, compressionRatio: before / bytes, modelSizeMb: bytes / 2 ** 20 },
      ...{ passed: true, perLayerAccuracy: expected, below: [], changed: [], reshaped: [], missing: [] },
    });
    const worst = Math.min(a, b);
    for (const [minCosine, passed] of [
      [worst, true],
      [worst + 1e-9, false],
      [1, false],
    ])
      expect((await quantizer.validate(original, quantized, { minCosine })).passed).toBe(passed);
  });

  test('passes with a cosine of 0.7, and does not below', async () => {
    const original = write('in.safetensors', [kTensors[0]]);
    const before = await quantizer.readTensor(original, 'a.weight');
    // Three of four weights are left, then one.
    for (const [every, passed] of [
      [(i) => i % 4 > 0, true],
      [(i) => i % 4 === 0, false],
    ]) {
      const data = before.map((one, i) => (every(i) ? one : 0));
      const bytes = Buffer.from(data.buffer);
      const other = write('other.safetensors', [{ name: 'a.weight', dtype: 'F32', shape: [64, 256], bytes }]);
      const validation = await quantizer.validate(original, other);
      expect(validation.passed).toBe(passed);
      expect(validation.below).toEqual(passed ? [] : ['a.weight']);
    }
  });

  test.each([
    ['is missing', [kTensors[0], ids(0)], { missing: ['b.weight'] }],
    ['has another shape', [kTensors[0], float32Tensor('b.weight', [128, 32], 2), ids(0)], { reshaped: ['b.weight'] }],
    ['is no float, and another', [...kTensors.slice(0, 2), ids(1)], { changed: ['ids'] }],
    ['is far away', [kTensors[0], float32Tensor('b.weight', [32, 128], 9), ids(0)], { below: ['b.weight'] }],
  ])('does not pass when a layer %s', async (_, tensors, lists) => {
    const validation = await quantizer.validate(write('a.safetensors', kTensors), write('b.safetensors', tensors));
    expect(validation).toMatchObject({ passed: false, missing: [], reshaped: [], changed: [], below: [], ...lists });
  });

  test('passes with layers besides, and not where there are none', async () => {
    const more = [...kTensors, float32Tensor('c', [4])];
    const [original, larger] = [write('a.safetensors', kTensors), write('b.safetensors', more)];
    expect(await quantizer.validate(original, larger)).toMatchObject({ passed: true, cosineSimilarity: 1 });
    const none = write('c.safetensors', [ids(0)]);
    expect(await quantizer.validate(none, none)).toMatchObject({ passed: false, cosineSimilarity: 0, changed: [] });
  });
});

test('a quantizer that is disposed of says so first, whatever it is given', async () => {
  const own = await ArrowQuant.create({ backend: 'single' });
  await own.dispose();
  for (const given of [
    [{ schema: { fields: [] } }, new Map()],
    [1, 2],
    ['a', 'b', { minCosine: 2, odd: 1 }],
  ]) {
    await expect(own.validate(...given)).rejects.toMatchObject({ code: 'disposed' });
  }
});

describe('validate, of batches', () => {
  const kLong = 1_100_077;
  const weights = () =>
    new Map([
      ['b', { data: randomWeights(kLong, 2), shape: [kLong] }],
      ['a', { data: randomWeights(30 * 70), shape: [30, 70] }],
      ['zeros', new Float32Array(10)],
      ['empty', new Float32Array()],
    ]);

  test.each([128, 'tensor'])('measures what a floor does, in groups of %s', async (groupSize) => {
    const result = await quantizer.quantizeBatch(weights(), 4, { groupSize, minCosine: 0 });
    const progress = [];
    const note = (name, part) => progress.push([name, part]);
    const validation = await quantizer.validate(weights(), result, { minCosine: 'local', progress: note });
    const cosines = [...result].map(([name, layer]) => [name, layer.cosine]);
    expect([...validation.perLayerAccuracy]).toEqual(cosines.map(([name, one]) => [name, expect.closeTo(one, 12)]));
    const bytes = [...result.values()].reduce(
      (sum, { quantizedData, scales, zeroPoints }) =>
        sum + quantizedData.length + 4 * scales.length + zeroPoints.length,
      0,
    );
    expect(validation).toMatchObject({ passed: true, modelSizeMb: bytes / 2 ** 20 });
    expect(validation.compressionRatio).toBeCloseTo((4 * (kLong + 2110)) / bytes, 10);
    expect(progress).toEqual(['a', 'b', 'empty', 'zeros'].map((name, i) => [name, (i + 1) / 4]));
  });

  test('finds layers that are missing, reshaped, too far away or not finite', async () => {
    const result = await quantizer.quantizeBatch(weights(), 2);
    result.delete('zeros');
    const given = weights();
    given.set('a', given.get('a').data);
    given.get('b').data[1_099_999] = NaN;
    const validation = await quantizer.validate(given, result);
    expect(validation).toMatchObject({ passed: false, missing: ['zeros'], reshaped: ['a'], changed: ['b'], below: [] });
    const other = { data: randomWeights(2100, 7), shape: [30, 70] };
    expect(await quantizer.validate({ a: other }, result)).toMatchObject({ passed: false, below: ['a'] });
  });

  test('leaves out what only the result has', async () => {
    const [a, b] = [randomWeights(500), randomWeights(900)];
    const alone = await quantizer.validate({ a }, await quantizer.quantizeBatch({ a }, 4));
    expect(await quantizer.validate({ a }, await quantizer.quantizeBatch({ a, b }, 4))).toEqual(alone);
  });

  test('rejects what is none, and damaged layers', async () => {
    const result = await quantizer.quantizeBatch({ a: randomWeights(500) }, 4);
    const layer = result.get('a');
    const of = (changes) => quantizer.validate({ a: randomWeights(500) }, new Map([['a', { ...layer, ...changes }]]));
    await expect(of({ quantizedData: null })).rejects.toMatchObject({ code: 'invalid_weights', layer: 'a' });
    await expect(of({ bitWidth: 8 })).rejects.toMatchObject({ code: 'shape_mismatch', layer: 'a' });
    await expect(of({ scales: layer.scales.map(() => NaN) })).rejects.toMatchObject({
      ...{ code: 'invalid_weights', layer: 'a' },
    });
    await expect(quantizer.validate({ a: randomWeights(500) }, 5)).rejects.toMatchObject({ code: 'invalid_option' });
    for (const minCosine of [1.5, NaN, 'best', { 4: 0.9 }])
      await expect(quantizer.validate({}, result, { minCosine })).rejects.toMatchObject({ code: 'invalid_option' });
    await expect(quantizer.validate({}, result, { minCosin: 1 })).rejects.toThrow('did you mean "minCosine"?');
  });

  test('ends with the signal', async () => {
    const result = await quantizer.quantizeBatch(weights(), 4);
    const controller = new AbortController();
    const progress = () => controller.abort(new Error('enough'));
    const call = quantizer.validate(weights(), result, { progress, signal: controller.signal });
    await expect(call).rejects.toMatchObject({ code: 'aborted', cause: { message: 'enough' } });
  });
});
