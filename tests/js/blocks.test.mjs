import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant, BLOCK_TYPES } from 'arrowquant';
import createModule from 'arrowquant/wasm';
import { CODECS, STATUSES, codecBytes, codecNamed, jobWords, traitsOf } from './support/internals.mjs';
import { randomWeights, sameBytes } from './support/weights.mjs';

let quantizer;

beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

test('what TypeScript knows of codecs, statuses and records is what the module has', async () => {
  const module = await createModule({ backend: 'single' });
  expect(CODECS).toEqual(module.codecs());
  expect(STATUSES).toEqual(module.statuses());
  const { JOB_WORDS: job, OPERAND_WORDS: operand, OUTCOME_WORDS: outcome, VERBS: verbs } = jobWords;
  expect({ job, operand, outcome, verbs }).toEqual(module.jobWords());
  module.dispose();
});

describe.each(BLOCK_TYPES)('%s', (type) => {
  const { blockWeights } = traitsOf(codecNamed(type));
  const blockBytes = codecBytes(codecNamed(type), blockWeights);

  test('encodes whole rows, whatever the shape, and decodes what it encoded', async () => {
    const data = randomWeights(blockWeights * 600, 5);
    const bytes = await quantizer.encode(data, type);
    expect(bytes).toHaveLength(600 * blockBytes);
    expect(Object.prototype.toString.call(bytes.buffer)).toBe('[object ArrayBuffer]');
    expect(sameBytes(await quantizer.encode({ data, shape: [2, 300, blockWeights] }, type), bytes)).toBe(true);
    const restored = await quantizer.decode(bytes, type);
    expect(restored).toHaveLength(data.length);
    const error = Math.sqrt(restored.reduce((sum, x, i) => sum + (x - data[i]) ** 2, 0));
    const bits = (8 * blockBytes) / blockWeights;
    // In the order of a step at that many bits, and less than is lost of what becomes all zeros.
    const norm = Math.sqrt(data.reduce((sum, x) => sum + x * x, 0));
    expect(error / norm).toBeLessThan(Math.min(1, 6 * 2 ** -bits));
  });

  test('zeros come back as zeros, and no weights as none', async () => {
    const restored = await quantizer.decode(await quantizer.encode(new Float32Array(blockWeights), type), type);
    expect(restored.every((x) => x === 0)).toBe(true);
    expect(await quantizer.encode(new Float32Array(0), type)).toHaveLength(0);
    expect(await quantizer.encode({ data: new Float32Array(0), shape: [0, 4096] }, type)).toHaveLength(0);
    expect(await quantizer.decode(new Uint8Array(0), type)).toHaveLength(0);
  });

  test('rejects a row that is not a whole number of blocks', async () => {
    const data = new Float32Array(blockWeights * 4);
    for (const weights of [
      data.subarray(1),
      { data, shape: [8, blockWeights / 2] },
      { data: data.subarray(0, 1), shape: [] },
    ]) {
      await expect(quantizer.encode(weights, type)).rejects.toMatchObject({
        name: 'QuantizeError',
        code: 'row_not_whole_blocks',
      });
    }
  });

  test('rejects bytes that are not a whole number of blocks', async () => {
    const bytes = new Uint8Array(blockBytes * 3 - 1);
    await expect(quantizer.decode(bytes, type)).rejects.toMatchObject({ code: 'row_not_whole_blocks' });
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    'refuses %p and says where the first one is',
    async (value) => {
      for (const index of [0, 100, 4096, 131_072, 262_143]) {
        const data = randomWeights(262_144, 3);
        data[index] = value;
        data[262_143] = value;
        await expect(quantizer.encode(data, type)).rejects.toMatchObject({ code: 'not_finite', index });
      }
    },
  );

  test('refuses a block whose scale overflows half precision, and says where it begins', async () => {
    const data = randomWeights(262_144, 3);
    data[140_000] = 1e10;
    data[140_001] = -1e10;
    // Their scales are no halves, and stop at the largest.
    if (/FP4$/.test(type)) return void (await quantizer.encode(data, type));
    await expect(quantizer.encode(data, type)).rejects.toMatchObject({
      name: 'QuantizeError',
      code: 'scale_overflow',
      index: Math.floor(140_000 / blockWeights) * blockWeights,
    });
  });
});

test.each(['Q9_9', 'q9_0', '', 'toString', undefined, 4, {}])('rejects the unknown type %p', async (type) => {
  for (const promise of [quantizer.encode(new Float32Array(256), type), quantizer.decode(new Uint8Array(18), type)]) {
    const error = await promise.catch((reason) => reason);
    expect(error).toMatchObject({ name: 'QuantizeError', code: 'unknown_type' });
    expect(error.message).toContain('Q4_0');
  }
});

test.each(['IQ1_S', 'IQ2_XXS', 'IQ2_XS'])('%s is without importance what ones give', async (type) => {
  const data = randomWeights(256 * 3, 9);
  const bytes = await quantizer.encode({ data, shape: [3, 256] }, type);
  const importance = new Float32Array(256).fill(1);
  for (const options of [{ importance }, { effort: 'better' }, { importance, effort: 'best' }]) {
    expect(sameBytes(await quantizer.encode({ data, shape: [3, 256] }, type, options), bytes)).toBe(true);
  }
});

test.each([
  ['nothing', undefined, 'invalid_weights'],
  ['plain numbers', [1, 2], 'invalid_weights'],
  ['bytes', new Uint8Array(32), 'invalid_weights'],
  ['a shape that does not fit', { data: new Float32Array(64), shape: [32] }, 'shape_mismatch'],
])('encode refuses %s', async (_, weights, code) => {
  await expect(quantizer.encode(weights, 'Q8_0')).rejects.toMatchObject({ name: 'QuantizeError', code });
});

test.each([
  ['nothing', undefined],
  ['plain numbers', [1, 2]],
  ['floats', new Float32Array(34)],
])('decode refuses %s', async (_, bytes) => {
  await expect(quantizer.decode(bytes, 'Q8_0')).rejects.toMatchObject({
    name: 'QuantizeError',
    code: 'invalid_weights',
  });
});

test('detached arrays are refused', async () => {
  const data = new Float32Array(32);
  const bytes = new Uint8Array(34);
  structuredClone([data.buffer, bytes.buffer], { transfer: [data.buffer, bytes.buffer] });
  await expect(quantizer.encode(data, 'Q8_0')).rejects.toMatchObject({ code: 'detached_buffer' });
  await expect(quantizer.decode(bytes, 'Q8_0')).rejects.toMatchObject({ code: 'detached_buffer' });
});
