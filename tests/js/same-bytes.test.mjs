import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant, BLOCK_TYPES } from 'arrowquant';
import { firstDifference, randomWeights, sameBytes } from './support/weights.mjs';

/** Layers from one weight to many chunks, so that threads finish them in an order of their own. */
const weights = new Map(
  [1, 127, 4096, 131_072, 131_073, 300_001, 1_000_000].map((size) => [`${size} weights`, randomWeights(size, size)]),
);

let one;
let others;

beforeAll(async () => {
  one = await ArrowQuant.create({ backend: 'threads', threads: 1 });
  others = await Promise.all([
    ArrowQuant.create({ backend: 'threads', threads: 2 }),
    ArrowQuant.create({ backend: 'threads', threads: 5 }),
    ArrowQuant.create({ backend: 'workers', threads: 1 }),
    ArrowQuant.create({ backend: 'workers', threads: 3 }),
    ArrowQuant.create({ backend: 'single' }),
  ]);
});
afterAll(() => Promise.all([one, ...others].map((quantizer) => quantizer.dispose())));

test('the quantizers differ in what the tests compare', () => {
  expect([one, ...others].map(({ backend, threads }) => [backend, threads])).toEqual([
    ['threads', 1],
    ['threads', 2],
    ['threads', 5],
    ['workers', 1],
    ['workers', 3],
    ['single', 0],
  ]);
});

describe.each([2, 4, 8])('%i bits', (bits) => {
  test.each([
    { groupSize: 32 },
    { groupSize: 128 },
    { groupSize: 256, symmetric: true },
    { groupSize: 'tensor' },
    { groupSize: 'tensor', symmetric: true },
  ])('every backend, with one thread or many, gives the same bytes: %p', async (options) => {
    const expected = await one.quantizeBatch(weights, bits, options);
    for (const quantizer of others) {
      expect(firstDifference(await quantizer.quantizeBatch(weights, bits, options), expected)).toBeNull();
    }
    const layer = expected.get('300001 weights');
    const restored = await one.dequantize(layer);
    for (const quantizer of others) expect(sameBytes(await quantizer.dequantize(layer), restored)).toBe(true);
  });
});

test.each(BLOCK_TYPES)('blocks of %s are the same everywhere', async (type) => {
  const data = randomWeights(256 * 600, 3);
  const expected = await one.encode(data, type);
  const restored = await one.decode(expected, type);
  for (const quantizer of others) {
    expect(sameBytes(await quantizer.encode(data, type), expected)).toBe(true);
    expect(sameBytes(await quantizer.decode(expected, type), restored)).toBe(true);
  }
});

test('the same call twice gives the same bytes', async () => {
  const expected = await others[1].quantizeBatch(weights, 4);
  expect(firstDifference(await others[1].quantizeBatch(weights, 4), expected)).toBeNull();
});
