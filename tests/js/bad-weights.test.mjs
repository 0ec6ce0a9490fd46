import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { ArrowQuant, QuantizeError } from 'arrowquant';
import { firstDifference, randomWeights } from './support/weights.mjs';

/** Weights with one bad value, or several, at given places. */
function spoiled(count, ...places) {
  const weights = randomWeights(count, count);
  for (const [index, value] of places) weights[index] = value;
  return weights;
}

describe.each(['threads', 'workers', 'single'])('bad weights, backend %s', (backend) => {
  let quantizer;

  beforeAll(async () => {
    quantizer = await ArrowQuant.create({ backend, threads: 2 });
  });
  afterAll(() => quantizer.dispose());

  describe.each([
    ['NaN', Number.NaN],
    ['infinity', Number.POSITIVE_INFINITY],
    ['minus infinity', Number.NEGATIVE_INFINITY],
  ])('%s', (_, value) => {
    // The edges of lanes, groups, kernels' pieces and chunks, and the last weight.
    test.each([0, 1, 3, 4, 31, 32, 127, 128, 4095, 4096, 131_071, 131_072, 149_999])(
      'at index %i is refused with layer and index',
      async (index) => {
        const weights = { fine: randomWeights(500), spoiled: spoiled(150_000, [index, value]) };
        for (const options of [{}, { groupSize: 256, symmetric: true }, { groupSize: 'tensor' }]) {
          await expect(quantizer.quantizeBatch(weights, 4, options)).rejects.toMatchObject({
            name: 'QuantizeError',
            code: 'not_finite',
            layer: 'spoiled',
            index,
            message: `NaN or infinity in layer "spoiled" at index ${index}`,
          });
        }
      },
    );
  });

  test('of several bad weights the first one is named, whichever thread is first', async () => {
    const data = spoiled(1_000_000, [999_999, Number.NaN], [70_001, Number.NaN], [500_000, Number.POSITIVE_INFINITY]);
    for (const groupSize of [128, 'tensor']) {
      for (let i = 0; i < 5; ++i) {
        await expect(quantizer.quantizeBatch({ data }, 8, { groupSize })).rejects.toMatchObject({ index: 70_001 });
      }
    }
  });

  test('of several bad layers the first one by name is named', async () => {
    const weights = {
      z: spoiled(10, [0, Number.NaN]),
      m: spoiled(900_000, [899_999, Number.NaN]),
      a: randomWeights(9),
    };
    await expect(quantizer.quantizeBatch(weights, 4)).rejects.toMatchObject({ layer: 'm', index: 899_999 });
  });

  test('after a failure no callback is called, and the quantizer works on', async () => {
    const events = [];
    const weights = { a: randomWeights(100), b: spoiled(100, [7, Number.NaN]), c: randomWeights(100) };
    const promise = quantizer.quantizeBatchWithProgress(weights, 4, (...event) => events.push(event));
    await expect(promise).rejects.toMatchObject({ layer: 'b', index: 7 });
    expect(await quantizer.quantizeBatch({ a: weights.a }, 4)).toHaveProperty('size', 1);
    expect(events).toEqual([['a', 1 / 3]]);
  });

  test('continueOnError: collects failures, reports every layer, and gives the others', async () => {
    const good = { a: randomWeights(70_000, 1), d: randomWeights(300, 4) };
    const weights = { ...good, b: spoiled(70_000, [69_999, Number.NaN]), c: spoiled(5, [2, Number.POSITIVE_INFINITY]) };
    const events = [];
    const record = (...event) => events.push(event);
    const result = await quantizer.quantizeBatchWithProgress(weights, 4, record, { continueOnError: true });
    expect(events).toEqual([
      ['a', 0.25],
      ['b', 0.5],
      ['c', 0.75],
      ['d', 1],
    ]);
    expect([...result.failures.keys()]).toEqual(['b', 'c']);
    expect(result.failures.get('b')).toBeInstanceOf(QuantizeError);
    expect(result.failures.get('b')).toMatchObject({ code: 'not_finite', layer: 'b', index: 69_999 });
    expect(result.failures.get('c')).toMatchObject({ code: 'not_finite', layer: 'c', index: 2 });
    expect(firstDifference(result, await quantizer.quantizeBatch(good, 4))).toBeNull();
  });

  test('continueOnError: all layers may fail', async () => {
    const weights = { a: spoiled(3, [0, Number.NaN]), b: spoiled(3, [1, Number.NaN]) };
    const callback = jest.fn();
    const result = await quantizer.quantizeBatchWithProgress(weights, 2, callback, { continueOnError: true });
    expect(result.size).toBe(0);
    expect([...result.failures.keys()]).toEqual(['a', 'b']);
    expect(callback.mock.calls).toEqual([
      ['a', 0.5],
      ['b', 1],
    ]);
  });

  test('continueOnError: wrong arguments still reject the call', async () => {
    const promise = quantizer.quantizeBatch({ a: randomWeights(4), b: [1] }, 4, { continueOnError: true });
    await expect(promise).rejects.toMatchObject({ code: 'invalid_weights', layer: 'b' });
  });

  test('a buffer that is detached after the call has been made is noticed', async () => {
    const weights = { a: randomWeights(1000), b: randomWeights(200_000), c: randomWeights(1000) };
    const promise = quantizer.quantizeBatch(weights, 4);
    structuredClone(weights.b.buffer, { transfer: [weights.b.buffer] });
    await expect(promise).rejects.toMatchObject({ name: 'QuantizeError', code: 'detached_buffer', layer: 'b' });
  });

  test('continueOnError: a detached buffer fails its layer only', async () => {
    const weights = { a: randomWeights(1000), b: randomWeights(200_000), c: randomWeights(1000) };
    const promise = quantizer.quantizeBatch(weights, 4, { continueOnError: true });
    structuredClone(weights.b.buffer, { transfer: [weights.b.buffer] });
    const result = await promise;
    expect([...result.keys()]).toEqual(['a', 'c']);
    expect(result.failures.get('b')).toMatchObject({ code: 'detached_buffer', layer: 'b' });
  });

  test.each([false, true])('continueOnError: so does one that was detached before (transfer: %s)', async (transfer) => {
    const gone = randomWeights(1000);
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    const weights = { a: randomWeights(1000), b: gone, c: { data: gone, shape: [10, 100] }, d: randomWeights(10) };
    await expect(quantizer.quantizeBatch(weights, 4)).rejects.toMatchObject({ code: 'detached_buffer', layer: 'b' });
    const events = [];
    const note = (layer) => events.push(layer);
    const result = await quantizer.quantizeBatchWithProgress(weights, 4, note, { continueOnError: true, transfer });
    expect([...result.keys()]).toEqual(['a', 'd']);
    expect([...result.failures.keys()]).toEqual(['b', 'c']);
    for (const [layer, error] of result.failures) expect(error).toMatchObject({ code: 'detached_buffer', layer });
    expect(events).toEqual(['a', 'b', 'c', 'd']);
  });

  test('continueOnError: so does one that results of an earlier batch are there for', async () => {
    const weights = { a: randomWeights(1000), b: randomWeights(1000) };
    const output = await quantizer.quantizeBatch(weights, 4);
    structuredClone(weights.b.buffer, { transfer: [weights.b.buffer] });
    const result = await quantizer.quantizeBatch(weights, 4, { continueOnError: true, output });
    expect([...result.keys()]).toEqual(['a']);
    expect(result.get('a').quantizedData).toBe(output.get('a').quantizedData);
    expect(result.failures.get('b')).toMatchObject({ code: 'detached_buffer', layer: 'b' });
  });

  test('a buffer that shrinks after the call has been made is noticed', async () => {
    const buffer = new ArrayBuffer(800_000, { maxByteLength: 800_000 });
    const data = new Float32Array(buffer);
    const promise = quantizer.quantizeBatch({ data }, 4);
    buffer.resize(400_000);
    await expect(promise).rejects.toMatchObject({ code: 'detached_buffer', layer: 'data' });
  });
});

test('a buffer that is detached in mid-batch, from a callback, is noticed', async () => {
  // One thread: layers are copied strictly in turn, so that the last one is certainly still unread.
  const quantizer = await ArrowQuant.create({ backend: 'single' });
  const big = randomWeights(4_000_000);
  const weights = { a: randomWeights(10), b: big, c: randomWeights(70_000) };
  const seen = [];
  const promise = quantizer.quantizeBatchWithProgress(weights, 4, (layer) => {
    seen.push(layer);
    if (layer === 'a') structuredClone(weights.c.buffer, { transfer: [weights.c.buffer] });
  });
  await expect(promise).rejects.toMatchObject({ code: 'detached_buffer', layer: 'c' });
  expect(seen).toEqual(['a', 'b']);
  await quantizer.dispose();
});
