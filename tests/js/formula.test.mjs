import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { dequantizeReference, quantizeReference } from './support/reference.mjs';
import { randomSource, randomWeights, sameBytes } from './support/weights.mjs';

const GROUP_SIZES = [32, 64, 128, 256, 'tensor'];

/** Sizes around the edges of lanes, groups and kernels' pieces (4096). */
const SIZES = [1, 2, 3, 5, 31, 32, 33, 127, 128, 129, 255, 257, 1000, 4095, 4097];
/** Sizes around the edges of chunks (131,072). */
const LARGE_SIZES = [131_071, 131_073, 280_000];

const extremes = [0, -0, 1e-45, -1e-45, 1.2e-38, 1, -1, 0.5, -0.5, 3.4e38, -3.4e38, 2 ** -126, 2 ** -120, 1 / 3];

/** Weights that are awkward for the formula, each in a group of 256 of its own, whatever the group size. */
const AWKWARD = {
  zeros: () => 0,
  'negative zeros': () => -0,
  'one constant': () => 0.1,
  'one negative constant': () => -7,
  'positive only': (_, random) => 1 + random(),
  'negative only': (_, random) => -1 - random(),
  'one outlier': (i) => (i === 77 ? 1000 : 1e-3 * ((i % 13) - 6)),
  'ties of magnitude': (i) => (i % 2 === 0 ? 1 : -1),
  'ties of rounding': (i) => ((i % 31) - 15) / 2,
  subnormals: (i) => ((i % 9) - 4) * 1e-45,
  'scales at the edge of the subnormals': (i) => ((i % 5) - 2) * 2 ** -126,
  'the largest numbers': (i) => (i % 2 === 0 ? 1 : -1) * 3.4028234663852886e38,
  'twelve decades': (i, random) => (random() - 0.5) * 10 ** ((i % 13) - 6),
  extremes: (i) => extremes[i % extremes.length],
};

let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ backend: 'threads', threads: 2 });
});
afterAll(() => quantizer.dispose());

/** Names of layers whose result differs from the reference's in any byte. */
async function wrongLayers(weights, bits, groupSize, symmetric) {
  const result = await quantizer.quantizeBatch(weights, bits, { groupSize, symmetric });
  const wrong = [];
  for (const [name, data] of weights) {
    const expected = quantizeReference(data, bits, groupSize, symmetric);
    const actual = result.get(name);
    for (const part of Object.keys(expected)) {
      if (!sameBytes(actual[part], expected[part])) wrong.push(`${name}: ${part}`);
    }
    const restored = await quantizer.dequantize(actual);
    if (!sameBytes(restored, dequantizeReference(actual, data.length))) wrong.push(`${name}: restored`);
  }
  return wrong;
}

describe.each([2, 4, 8])('%i bits', (bits) => {
  describe.each(GROUP_SIZES)('groups of %p', (groupSize) => {
    test.each([false, true])('symmetric %p: the bytes of the formula, over sizes', async (symmetric) => {
      const weights = new Map(SIZES.map((size) => [`${size} weights`, randomWeights(size, size)]));
      expect(await wrongLayers(weights, bits, groupSize, symmetric)).toEqual([]);
    });

    test.each([false, true])('symmetric %p: the bytes of the formula, for awkward weights', async (symmetric) => {
      const random = randomSource(11);
      const weights = new Map(
        Object.entries(AWKWARD).map(([name, at]) => [
          name,
          Float32Array.from({ length: 512 }, (_, i) => at(i, random)),
        ]),
      );
      expect(await wrongLayers(weights, bits, groupSize, symmetric)).toEqual([]);
    });
  });

  test.each([
    [128, false],
    [256, true],
    ['tensor', false],
    ['tensor', true],
  ])('groups of %p, symmetric %p: the bytes of the formula, over several chunks', async (groupSize, symmetric) => {
    const weights = new Map(LARGE_SIZES.map((size) => [`${size} weights`, randomWeights(size, size)]));
    expect(await wrongLayers(weights, bits, groupSize, symmetric)).toEqual([]);
  });

  test('what comes back lies within half a step, plus the rounding of f32', async () => {
    const data = randomWeights(100_000, 5);
    const layer = (await quantizer.quantizeBatch({ data }, bits)).get('data');
    const restored = await quantizer.dequantize(layer);
    let excess = 0;
    for (const [i, x] of data.entries()) {
      const step = layer.scales[Math.floor(i / 128)];
      excess = Math.max(excess, Math.abs(restored[i] - x) / step - 0.5);
    }
    expect(excess).toBeLessThan(1e-3);
  });
});
