import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { firstDifference, layersOf, randomWeights } from './support/weights.mjs';

describe.each(['threads', 'workers', 'single'])('quantizeBatchWithProgress, backend %s', (backend) => {
  let quantizer;

  beforeAll(async () => {
    quantizer = await ArrowQuant.create({ backend, threads: 2 });
  });
  afterAll(() => quantizer.dispose());

  /** Runs a batch and gives its events with its result. */
  async function run(weights, bits = 4, options = undefined) {
    const events = [];
    const result = await quantizer.quantizeBatchWithProgress(weights, bits, (...event) => events.push(event), options);
    return { events, result };
  }

  test('basic: quantizes every layer and reports each of them once', async () => {
    const weights = new Map([
      ['layer.0.weight', randomWeights(1000, 1)],
      ['layer.1.weight', randomWeights(2000, 2)],
      ['layer.2.weight', randomWeights(3000, 3)],
    ]);
    const { events, result } = await run(weights);
    expect(events.map(([layer]) => layer)).toEqual([...weights.keys()]);
    expect([...result.keys()]).toEqual([...weights.keys()]);
    expect(result.failures.size).toBe(0);
    for (const [name, data] of weights) {
      const { quantizedData, scales, zeroPoints, ...facts } = result.get(name);
      expect(quantizedData).toHaveLength(data.length / 2);
      expect(scales).toHaveLength(Math.ceil(data.length / 128));
      expect(zeroPoints).toHaveLength(Math.ceil(data.length / 128));
      expect(facts).toEqual({ shape: [data.length], bitWidth: 4, groupSize: 128, symmetric: false });
    }
  });

  test('monotonic: progress is completed / total, strictly increasing, and ends with exactly 1', async () => {
    const { events } = await run(layersOf(7, 70_000));
    expect(events.map(([, progress]) => progress)).toEqual([1, 2, 3, 4, 5, 6, 7].map((completed) => completed / 7));
  });

  test('no callback: null, undefined and absent are the same', async () => {
    const weights = layersOf(3);
    const expected = await quantizer.quantizeBatch(weights, 4);
    for (const none of [[null], [undefined], []]) {
      const result = await quantizer.quantizeBatchWithProgress(weights, 4, ...none);
      expect(firstDifference(result, expected)).toBeNull();
    }
  });

  test('callback error: is logged once per event and ignored', async () => {
    const log = jest.spyOn(console, 'error').mockImplementation(() => undefined);
    try {
      const thrown = new Error('the caller is at fault');
      const weights = layersOf(3);
      const result = await quantizer.quantizeBatchWithProgress(weights, 4, () => {
        throw thrown;
      });
      expect(log.mock.calls).toEqual(Array(3).fill(['Progress callback error (ignored):', thrown]));
      expect(firstDifference(result, await quantizer.quantizeBatch(weights, 4))).toBeNull();
    } finally {
      log.mockRestore();
    }
  });

  test('callback error: a promise that the callback returns and that rejects is logged once per event', async () => {
    const log = jest.spyOn(console, 'error').mockImplementation(() => undefined);
    try {
      const reason = new Error('later');
      const result = await quantizer.quantizeBatchWithProgress(layersOf(2), 4, () => Promise.reject(reason));
      expect(result.size).toBe(2);
      await Promise.resolve();
      expect(log.mock.calls).toEqual(Array(2).fill(['Progress callback error (ignored):', reason]));
    } finally {
      log.mockRestore();
    }
  });

  test('with vs without: the callback changes no byte', async () => {
    const weights = layersOf(20, 5000);
    const { result } = await run(weights, 2);
    expect(firstDifference(result, await quantizer.quantizeBatch(weights, 2))).toBeNull();
  });

  test('empty: an empty batch resolves to an empty result without a call', async () => {
    const { events, result } = await run(new Map());
    expect(events).toEqual([]);
    expect(result.size).toBe(0);
    expect(result.failures.size).toBe(0);
  });

  test.each([50, 500])('%i layers: each is reported once, in the order of the result', async (count) => {
    const { events, result } = await run(layersOf(count));
    const names = [...layersOf(count).keys()].sort();
    expect([...result.keys()]).toEqual(names);
    expect(events).toEqual(names.map((name, i) => [name, (i + 1) / count]));
  });

  test.each([3, 0, 1, 16, -4, 4.5, Number.NaN, true])('invalid bit width: %p', async (bits) => {
    const callback = jest.fn();
    await expect(quantizer.quantizeBatchWithProgress(layersOf(1), bits, callback)).rejects.toMatchObject({
      name: 'QuantizeError',
      code: 'invalid_bit_width',
      message: `Invalid bit width: ${bits}. Must be 2, 4, or 8`,
    });
    expect(callback).not.toHaveBeenCalled();
  });

  test('callback signature: a string and a number, and nothing else', async () => {
    const { events } = await run(layersOf(2));
    for (const event of events) expect(event.map((argument) => typeof argument)).toEqual(['string', 'number']);
  });

  test('selective callback: may look at some layers only', async () => {
    const seen = [];
    await quantizer.quantizeBatchWithProgress(layersOf(30), 4, (layer, progress) => {
      if (layer.startsWith('layer.1.')) seen.push([layer, progress]);
    });
    expect(seen).toHaveLength(1);
    expect(seen[0][0]).toBe('layer.1.weight');
  });

  test('a callback that is no function is refused', async () => {
    await expect(quantizer.quantizeBatchWithProgress(layersOf(1), 4, 'progress')).rejects.toMatchObject({
      code: 'invalid_option',
    });
  });

  test('the callback is never called before the call has returned', async () => {
    let returned = false;
    const states = [];
    const promise = quantizer.quantizeBatchWithProgress(layersOf(3), 4, () => states.push(returned));
    returned = true;
    await promise;
    expect(states).toEqual([true, true, true]);
  });

  test('layers without weights are reported too', async () => {
    const weights = new Map([
      ['a', new Float32Array(0)],
      ['b', randomWeights(10)],
      ['c', { data: new Float32Array(0), shape: [3, 0] }],
    ]);
    const { events, result } = await run(weights);
    expect(events).toEqual([
      ['a', 1 / 3],
      ['b', 2 / 3],
      ['c', 1],
    ]);
    expect(result.get('c')).toMatchObject({ shape: [3, 0], groupSize: 128 });
    expect(result.get('c').scales).toHaveLength(0);
    expect(await quantizer.dequantize(result.get('c'))).toHaveLength(0);
  });

  test('a callback may start another batch', async () => {
    const inner = [];
    await run(layersOf(2));
    await quantizer.quantizeBatchWithProgress(layersOf(2), 4, () =>
      inner.push(quantizer.quantizeBatch(layersOf(3), 8)),
    );
    const results = await Promise.all(inner);
    expect(results.map((result) => result.size)).toEqual([3, 3]);
  });
});
