import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';

const BACKENDS = ['threads', 'workers', 'single'];

/** Numbers with tails, so that leaving out the largest pays. */
const wave = (count) => Float32Array.from({ length: count }, (_, i) => Math.sin(i * 1.7) ** 3 * Math.cos(i * i));

const LAYERS = new Map([
  ['a', wave(1000)],
  ['b', { data: wave(3 * 131072 + 77), shape: [3 * 131072 + 77] }],
]);

/** The squared errors of each group. */
async function errorsOf(quantizer, weights, layer) {
  const restored = await quantizer.dequantize(layer);
  const errors = new Float64Array(Math.ceil(weights.length / layer.groupSize));
  weights.forEach((weight, i) => {
    errors[Math.floor(i / layer.groupSize)] += (weight - restored[i]) ** 2;
  });
  return errors;
}

const sum = (numbers) => numbers.reduce((all, one) => all + one, 0);

describe('batches with the most effort', () => {
  const quantizers = new Map();
  beforeAll(async () => {
    for (const backend of BACKENDS) quantizers.set(backend, await ArrowQuant.create({ backend, threads: 1 }));
  });
  afterAll(async () => {
    for (const quantizer of quantizers.values()) await quantizer.dispose();
  });

  test.each([
    [2, false, 0.8],
    [2, true, 0.97],
    [4, false, 0.92],
    [4, true, 0.97],
    [8, false, 0.97],
  ])('lose less, and in no group more: %i bits, symmetric %s', async (bits, symmetric, most) => {
    const quantizer = quantizers.get('threads');
    const weights = LAYERS.get('a');
    const results = [];
    for (const effort of ['reference', 'best']) {
      const layers = await quantizer.quantizeBatch(new Map([['a', weights]]), bits, {
        effort,
        symmetric,
        groupSize: 128,
      });
      results.push(await errorsOf(quantizer, weights, layers.get('a')));
    }
    const [reference, best] = results;
    best.forEach((error, group) => expect(error).toBeLessThanOrEqual(reference[group]));
    expect(sum(best)).toBeLessThan(most * sum(reference));
  });

  test('give the same bytes with every backend', async () => {
    const results = [];
    for (const quantizer of quantizers.values()) {
      const progress = [];
      const note = (layer, part) => progress.push([layer, part]);
      results.push(await quantizer.quantizeBatchWithProgress(LAYERS, 4, note, { effort: 'best' }));
      expect(progress).toEqual([
        ['a', 0.5],
        ['b', 1],
      ]);
    }
    for (const other of results.slice(1)) expect(other).toEqual(results[0]);
  });

  test('are refused where one scale is for a whole tensor', async () => {
    const call = quantizers.get('single').quantizeBatch(LAYERS, 4, { effort: 'best', groupSize: 'tensor' });
    await expect(call).rejects.toMatchObject({
      code: 'invalid_option',
      message: expect.stringContaining('effort best has no meaning for one scale per tensor; give a groupSize'),
    });
  });

  test('of another name are refused', async () => {
    const call = quantizers.get('single').quantizeBatch(LAYERS, 4, { effort: 'most' });
    await expect(call).rejects.toMatchObject({ code: 'invalid_option' });
  });
});
