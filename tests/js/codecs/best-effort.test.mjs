import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { codecBytes, codecNamed } from '../support/internals.mjs';
import { randomWeights, sameBytes } from '../support/weights.mjs';

let quantizer;

beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const ROWS = 40;
const COLUMNS = 512;

/** Σ importance·(weight − decoded)² of all weights. */
const squaredError = (weights, decoded, importance) =>
  weights.reduce((sum, weight, i) => sum + importance[i % COLUMNS] * (weight - decoded[i]) ** 2, 0);

test.each(['Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0', 'IQ4_NL', 'IQ4_XS'])(
  'of %s the most effort makes as many bytes with less error, with importance and without',
  async (type) => {
    const data = randomWeights(ROWS * COLUMNS, 3);
    const weights = { data, shape: [ROWS, COLUMNS] };
    const ones = new Float32Array(COLUMNS).fill(1);
    const rising = Float32Array.from({ length: COLUMNS }, (_, i) => 0.01 + i / COLUMNS);
    const error = async (options, importance) => {
      const bytes = await quantizer.encode(weights, type, options);
      expect(bytes).toHaveLength(codecBytes(codecNamed(type), data.length));
      return squaredError(data, await quantizer.decode(bytes, type), importance);
    };
    expect(await error({ effort: 'best' }, ones)).toBeLessThan(await error({}, ones));
    const options = { importance: rising, effort: 'best' };
    expect(await error(options, rising)).toBeLessThan(await error({ importance: rising }, rising));
    expect(await error(options, rising)).toBeLessThan(await error({ effort: 'best' }, rising));
    const row = { data: data.subarray(0, COLUMNS), shape: [1, COLUMNS] };
    const ofRow = await quantizer.encode(row, type, options);
    const ofAll = await quantizer.encode(weights, type, options);
    expect(sameBytes(ofAll.subarray(0, ofRow.length), ofRow)).toBe(true);
  },
);
