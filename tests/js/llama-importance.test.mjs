import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant, BLOCK_TYPES } from 'arrowquant';
import { blockWeights } from '../peers/block-weights.mjs';
import { openLlama } from '../peers/llama.mjs';
import { randomSource, randomWeights, sameBytes } from './support/weights.mjs';

const llama = openLlama();
const ROW = 1280;

let quantizer;

beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

/** By name: (random, column) → importance. */
const IMPORTANCE = {
  ones: () => 1,
  'like an imatrix': (random) => random() ** 4 * 30,
  'a third of it zero': (random) => (random() < 1 / 3 ? 0 : random()),
  'over twelve decades': (random) => 10 ** (random() * 12 - 6),
  'of few columns': (random, column) => (Math.floor(column / 16) % 4 === 1 ? random() : 0),
  'all zero': () => 0,
};

function importanceOf(name, columns, seed = 7) {
  const random = randomSource(seed);
  return Float32Array.from({ length: columns }, (_, column) => IMPORTANCE[name](random, column));
}

/** Rows of weights that have broken quantizers, each kind of them with one kind of importance, and a usual one. */
function rowsFor(name) {
  const names = Object.keys(IMPORTANCE);
  const rows = blockWeights().filter((_, i) => i % names.length === names.indexOf(name));
  return Float32Array.from(
    [randomWeights(ROW, 5), ...rows.map(({ weights }) => weights.slice(0, ROW))].flatMap((row) => [...row]),
  );
}

const shaped = (data, ...shape) => ({ data, shape });

describe.each(llama === null ? [] : BLOCK_TYPES)("%s with importance, beside llama.cpp's own library", (type) => {
  const { blockWeights: blockLength } = llama.types.get(type);

  test.each(Object.keys(IMPORTANCE))('the same bytes with importance that is %s', async (name) => {
    const weights = rowsFor(name);
    const importance = importanceOf(name, ROW);
    const theirs = llama.encode(type, weights, undefined, importance);
    const ours = await quantizer.encode(shaped(weights, weights.length / ROW, ROW), type, { importance });
    expect(sameBytes(ours, theirs)).toBe(true);
  });

  test.each([1, 5, 13])('the same bytes for rows of %p blocks', async (blocks) => {
    const row = blocks * blockLength;
    const weights = randomWeights(2 * row, blocks);
    const importance = importanceOf('like an imatrix', row);
    const ours = await quantizer.encode(shaped(weights, 2, row), type, { importance });
    expect(sameBytes(ours, llama.encode(type, weights, undefined, importance))).toBe(true);
  });

  test('better without importance is what ones give', async () => {
    const weights = randomWeights(2 * ROW, 11);
    const theirs = llama.encode(type, weights, undefined, importanceOf('ones', ROW));
    expect(sameBytes(await quantizer.encode(shaped(weights, 2, ROW), type, { effort: 'better' }), theirs)).toBe(true);
  });

  test('each matrix of a stack has its own importance', async () => {
    const weights = randomWeights(2 * 2 * ROW, 13);
    const own = [importanceOf('like an imatrix', ROW, 1), importanceOf('over twelve decades', ROW, 2)];
    const importance = Float32Array.from(own.flatMap((one) => [...one]));
    const ours = await quantizer.encode(shaped(weights, 2, 2, ROW), type, { importance });
    const half = ours.length / 2;
    for (const [i, one] of own.entries()) {
      const theirs = llama.encode(type, weights.subarray(i * 2 * ROW, (i + 1) * 2 * ROW), undefined, one);
      expect(sameBytes(ours.subarray(i * half, (i + 1) * half), theirs)).toBe(true);
    }
  });
});

describe('importance', () => {
  const TYPES = ['Q4_0', 'Q4_1', 'Q4_K', 'Q3_K', 'Q6_K', 'IQ4_NL'];

  test.each(['workers', 'single'])('the backend %s gives the same bytes', async (backend) => {
    const other = await ArrowQuant.create({ backend });
    try {
      const weights = randomWeights(7 * ROW, 17);
      const importance = importanceOf('a third of it zero', ROW);
      for (const type of TYPES) {
        const [ours, theirs] = await Promise.all(
          [quantizer, other].map((one) => one.encode(shaped(weights, 7, ROW), type, { importance })),
        );
        expect(sameBytes(ours, theirs)).toBe(true);
      }
    } finally {
      await other.dispose();
    }
  });

  test.each(TYPES)('%s says which weight is not finite', async (type) => {
    const weights = randomWeights(7 * ROW, 19);
    const importance = importanceOf('like an imatrix', ROW);
    for (const index of [7 * ROW - 1, 3 * ROW + 33, 5]) {
      weights[index] = NaN;
      const encoded = quantizer.encode(shaped(weights, 7, ROW), type, { importance });
      await expect(encoded).rejects.toMatchObject({ code: 'not_finite', index });
    }
  });
});
