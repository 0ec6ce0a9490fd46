import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { firstDifference, randomWeights } from './support/weights.mjs';

/** More than one window has room for, and no whole number of groups. */
const kLong = 1_100_077;

/** One large weight in 128, `ratio` times the others: the fewer bits, the more of the others become zero. */
const outliers = (count, ratio) =>
  Float32Array.from({ length: count }, (_, i) => (i % 128 === 5 ? 1 : (i % 3 === 0 ? -1 : 1) / ratio));

const LAYERS = new Map([
  // Needs 8 bits, 4 and 2, and takes several windows, one and one.
  ['c.eight', outliers(2000, 32)],
  ['b.four', { data: outliers(kLong, 10), shape: [kLong] }],
  ['a.two', Float32Array.from({ length: 999 }, (_, i) => i % 4)],
  ['d.zeros', new Float32Array(300)],
  ['e.empty', new Float32Array()],
]);
const kFloor = { minCosine: 0.96, fallback: true };
const kBits = { 'a.two': 2, 'b.four': 4, 'c.eight': 8, 'd.zeros': 2, 'e.empty': 2 };

const dataOf = (layer) => layer.data ?? layer;

function cosine(a, b) {
  let [dot, squaresA, squaresB] = [0, 0, 0];
  for (let i = 0; i < a.length; ++i) {
    dot += a[i] * b[i];
    squaresA += a[i] * a[i];
    squaresB += b[i] * b[i];
  }
  return squaresA === 0 && squaresB === 0 ? 1 : dot / Math.sqrt(squaresA * squaresB);
}

const bitsOf = (result) => Object.fromEntries([...result].map(([name, { bitWidth }]) => [name, bitWidth]));

const quantizers = new Map();
let quantizer;
beforeAll(async () => {
  for (const [backend, threads] of Object.entries({ threads: 3, workers: 1, single: 1 }))
    quantizers.set(backend, await ArrowQuant.create({ backend, threads }));
  quantizer = quantizers.get('threads');
});
afterAll(async () => {
  for (const one of quantizers.values()) await one.dispose();
});

/** What the batch has of each layer with the bits that it came to have, made without a floor. */
async function expectBytes(result, weights, options = {}) {
  for (const [name, layer] of result) {
    const alone = await quantizer.quantizeBatch(new Map([[name, weights.get(name)]]), layer.bitWidth, options);
    expect(firstDifference(new Map([[name, layer]]), alone)).toBeNull();
  }
}

describe('a floor', () => {
  test.each(['threads', 'workers', 'single'])('gives each layer the bits that it needs (%s)', async (backend) => {
    const progress = [];
    const note = (layer, part) => progress.push([layer, part]);
    const result = await quantizers.get(backend).quantizeBatchWithProgress(LAYERS, 2, note, kFloor);
    expect(bitsOf(result)).toEqual(kBits);
    expect([...result.keys()]).toEqual(Object.keys(kBits));
    expect([result.warnings, result.failures]).toEqual([[], new Map()]);
    expect(progress).toEqual(Object.keys(kBits).map((name, i) => [name, (i + 1) / 5]));
    await expectBytes(result, LAYERS);
    for (const [name, layer] of result) {
      const lost = cosine(dataOf(LAYERS.get(name)), await quantizer.dequantize(layer));
      expect(layer.cosine).toBeCloseTo(lost, 10);
      expect(layer.cosine).toBeGreaterThanOrEqual(0.96);
    }
    const coarser = await quantizer.quantizeBatch({ x: LAYERS.get('c.eight') }, 4, { minCosine: 0 });
    expect(coarser.get('x').cosine).toBeLessThan(0.96);
  });

  const kWide = { data: randomWeights(96 * 64), shape: [64, 96] };
  test.each([
    ['symmetric', { symmetric: true }],
    ['with one scale a tensor', { groupSize: 'tensor' }],
    ['with one signed scale a tensor', { groupSize: 'tensor', symmetric: true }],
    ['with the most effort', { effort: 'best', groupSize: 64 }],
    ['with importance', { effort: 'best', importance: { wide: Float32Array.from({ length: 96 }, (_, i) => i % 5) } }],
  ])('goes with all that batches have: %s', async (_, options) => {
    const weights = new Map([
      ['wide', kWide],
      ['long', randomWeights(kLong, 3)],
    ]);
    // The most effort takes its time.
    if (options.effort !== undefined) weights.set('long', randomWeights(5000, 3));
    const result = await quantizer.quantizeBatch(weights, 2, { ...options, ...kFloor, minCosine: 0.999 });
    expect(Object.values(bitsOf(result))).toEqual(expect.arrayContaining([expect.any(Number)]));
    expect(Math.min(...Object.values(bitsOf(result)))).toBeGreaterThan(2);
    const { importance, ...plain } = options;
    const { wide, long } = { wide: result.get('wide'), long: result.get('long') };
    await expectBytes(new Map([['long', long]]), weights, plain);
    await expectBytes(new Map([['wide', wide]]), weights, importance === undefined ? plain : options);
    for (const [name, layer] of result)
      expect(layer.cosine).toBeCloseTo(cosine(dataOf(weights.get(name)), await quantizer.dequantize(layer)), 10);
  });

  test('without fallback keeps what is below, with a warning', async () => {
    const result = await quantizer.quantizeBatch(LAYERS, 4, { minCosine: 0.96 });
    expect(new Set(Object.values(bitsOf(result)))).toEqual(new Set([4]));
    expect(result.warnings).toEqual([
      {
        code: 'below_min_cosine',
        layer: 'c.eight',
        message: expect.stringMatching(
          /^layer "c\.eight" is kept, though its cosine is 0\.9\d+ with 4 bits, and minCosine/,
        ),
      },
    ]);
    expect(result.warnings[0].message).toContain('allow finer bits with fallback, or give more');
  });

  test('that no bits reach keeps the finest, or fails', async () => {
    const weights = { b: randomWeights(500), a: randomWeights(kLong), c: randomWeights(500) };
    const options = { minCosine: 1, fallback: true };
    const kept = await quantizer.quantizeBatch(weights, 4, options);
    expect(bitsOf(kept)).toEqual({ a: 8, b: 8, c: 8 });
    expect(kept.warnings.map(({ code, layer }) => [code, layer])).toEqual(
      ['a', 'b', 'c'].map((name) => ['below_min_cosine', name]),
    );
    const call = quantizer.quantizeBatch(weights, 4, { ...options, failFast: true });
    await expect(call).rejects.toMatchObject({
      ...{ name: 'QuantizeError', code: 'below_min_cosine', layer: 'a' },
      detail: expect.stringMatching(/^its cosine is 0\.99\d+ with 8 bits, and minCosine asks for 1; smaller groups/),
    });
    const bits = { ...options, minCosine: { 4: 1 }, failFast: true };
    expect(bitsOf(await quantizer.quantizeBatch(weights, 4, bits))).toEqual({ a: 8, b: 8, c: 8 });
  });

  test('with failFast and continueOnError is a failure of its layers alone', async () => {
    const progress = [];
    const options = { minCosine: 0.96, failFast: true, continueOnError: true };
    const note = (layer, part) => progress.push([layer, part]);
    const result = await quantizer.quantizeBatchWithProgress(LAYERS, 2, note, options);
    expect([...result.failures].map(([name, { code, layer }]) => [name, code, layer])).toEqual([
      ['b.four', 'below_min_cosine', 'b.four'],
      ['c.eight', 'below_min_cosine', 'c.eight'],
    ]);
    expect([[...result.keys()], result.warnings]).toEqual([['a.two', 'd.zeros', 'e.empty'], []]);
    expect(progress.at(-1)).toEqual(['e.empty', 1]);
    expect(progress).toHaveLength(5);
  });

  test('is that of the profile that is in force, where no cosine is given', async () => {
    const cloud = await ArrowQuant.create({ backend: 'single', profile: 'cloud' });
    const weights = { x: outliers(1280, 32) };
    // Its cosine is 0.94 with 2 and 4 bits.
    const lowest = async (options) =>
      (await cloud.quantizeBatch(weights, 2, { groupSize: 128, ...options })).get('x').bitWidth;
    expect(await lowest({ fallback: true })).toBe(8);
    expect(await lowest({ fallback: true, profile: 'edge' })).toBe(2);
    expect(await lowest({ fallback: true, minCosine: 'edge' })).toBe(2);
    await cloud.dispose();
  });

  test('that nobody asks for leaves no trace', async () => {
    const none = { minCosine: null, fallback: false, failFast: undefined, layerBits: null };
    const result = await quantizer.quantizeBatch({ x: randomWeights(500) }, 2, none);
    expect(result.warnings).toEqual([]);
    expect(Object.keys(result.get('x'))).not.toContain('cosine');
    expect((await quantizer.quantizeBatch({}, 2, kFloor)).size).toBe(0);
  });
});

describe('a floor, when something goes wrong', () => {
  const bad = outliers(kLong, 10);
  bad[kLong - 5] = NaN;
  bad[kLong - 2] = Infinity;

  test.each([128, 'tensor'])('tells the first bad weight of the second window, in groups of %s', async (groupSize) => {
    const weights = new Map([...LAYERS, ['b.four', bad]]);
    const options = { ...kFloor, groupSize };
    await expect(quantizer.quantizeBatch(weights, 2, options)).rejects.toMatchObject({
      ...{ code: 'not_finite', layer: 'b.four', index: kLong - 5 },
    });
    const rest = await quantizer.quantizeBatch(weights, 2, { ...options, continueOnError: true });
    expect([...rest.failures].map(([name, { code, index }]) => [name, code, index])).toEqual([
      ['b.four', 'not_finite', kLong - 5],
    ]);
    expect([...rest.keys()]).toEqual(['a.two', 'c.eight', 'd.zeros', 'e.empty']);
  });

  test('ends with the signal in the middle, and works afterwards', async () => {
    const controller = new AbortController();
    const heard = [];
    const note = (layer) => {
      heard.push(layer);
      if (layer === 'a.two') controller.abort(new Error('enough'));
    };
    const options = { ...kFloor, signal: controller.signal };
    const call = quantizer.quantizeBatchWithProgress(LAYERS, 2, note, options);
    await expect(call).rejects.toMatchObject({ code: 'aborted', cause: { message: 'enough' } });
    expect(heard).toEqual(['a.two']);
    expect(bitsOf(await quantizer.quantizeBatch(LAYERS, 2, kFloor))).toEqual(kBits);
  });

  test('tells of weights that have been given away before they were done again', async () => {
    const data = outliers(kLong, 10);
    const first = { a: new Float32Array(10), b: data };
    const giveAway = (layer) => {
      if (layer === 'a') structuredClone(null, { transfer: [data.buffer] });
    };
    const call = quantizers.get('single').quantizeBatchWithProgress(first, 2, giveAway, kFloor);
    await expect(call).rejects.toMatchObject({ code: 'detached_buffer', layer: 'b' });
  });

  test('keeps two calls with the same weights apart, and takes buffers that are given up', async () => {
    const given = new Map([...LAYERS].map(([name, layer]) => [name, structuredClone(layer)]));
    const [one, other, transferred] = await Promise.all([
      quantizer.quantizeBatch(LAYERS, 2, kFloor),
      quantizer.quantizeBatch(LAYERS, 2, { ...kFloor, minCosine: 0.5 }),
      quantizer.quantizeBatch(given, 2, { ...kFloor, transfer: true }),
    ]);
    expect(bitsOf(one)).toEqual(kBits);
    expect(new Set(Object.values(bitsOf(other)))).toEqual(new Set([2]));
    expect(firstDifference(transferred, one)).toBeNull();
    expect(given.get('b.four').data).toHaveLength(0);
  });
});

describe('arrays to be written again, with a floor', () => {
  test('are used by layers that come to the same bits, and replaced for others', async () => {
    const first = await quantizer.quantizeBatch(LAYERS, 2, kFloor);
    const output = new Map([...first, ['c.eight', (await quantizer.quantizeBatch(LAYERS, 4)).get('c.eight')]]);
    const again = await quantizer.quantizeBatch(LAYERS, 2, { ...kFloor, output });
    expect(again.get('b.four').quantizedData).toBe(first.get('b.four').quantizedData);
    expect(again.get('b.four').scales).toBe(first.get('b.four').scales);
    expect(again.get('c.eight').quantizedData).not.toBe(output.get('c.eight').quantizedData);
    expect(bitsOf(again)).toEqual(kBits);
    await expectBytes(again, LAYERS);
    // What an earlier floor measured is no part of a later result.
    const plain = await quantizer.quantizeBatch(LAYERS, 2, { layerBits: kBits, output: again });
    expect(Object.keys(plain.get('b.four'))).not.toContain('cosine');
    expect(plain.get('b.four').quantizedData).toBe(first.get('b.four').quantizedData);
  });

  test.each([
    [4, kFloor, 'quantizedData must be a Uint8Array of 1000 elements'],
    [2, { minCosine: 0.5 }, 'quantizedData must be a Uint8Array of 500 elements'],
    [2, { layerBits: { x: 8 } }, 'quantizedData must be a Uint8Array of 2000 elements'],
  ])('are refused where the layer cannot come to have their length (%i bits, %j)', async (bits, options, message) => {
    const x = outliers(2000, 10);
    const output = await quantizer.quantizeBatch({ x }, bits === 2 ? 4 : 2);
    const call = quantizer.quantizeBatch({ x }, bits, { ...options, output });
    await expect(call).rejects.toMatchObject({ code: 'output_mismatch', detail: message });
  });
});

test.each([
  [{ minCosine: 2 }, 'minCosine is 2, must be a number from 0 to 1'],
  [{ minCosine: { 5: 0.9 } }, 'minCosine has no key "5"; known are 2, 4, 8'],
  [{ fallback: 'yes' }, 'fallback is "yes", must be true or false'],
  [{ failFast: 0 }, 'failFast is 0, must be true or false'],
  [{ minCosin: 0.9 }, 'did you mean "minCosine"?'],
])('%j is refused', async (options, message) => {
  const call = quantizer.quantizeBatch({ x: new Float32Array(4) }, 4, options);
  await expect(call).rejects.toMatchObject({
    code: 'invalid_option',
    message: expect.stringContaining(message),
  });
});

test('what the caller changes after the call changes nothing', async () => {
  const options = { minCosine: { 2: 0.96, 4: 0.96 }, fallback: true, layerBits: [[/two/, 4]] };
  const call = quantizer.quantizeBatch(LAYERS, 2, options);
  options.minCosine[2] = 0;
  options.layerBits[0][1] = 8;
  options.layerBits.length = 0;
  expect(bitsOf(await call)).toEqual({ ...kBits, 'a.two': 4 });
});
