import { getEventListeners } from 'node:events';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { AbortActions } from './support/internals.mjs';
import { firstDifference, layersOf, randomWeights } from './support/weights.mjs';

const reason = new Error('the caller has changed its mind');
const aborted = { name: 'QuantizeError', code: 'aborted', message: 'The operation was aborted', cause: reason };

describe.each(['threads', 'workers', 'single'])('abort, backend %s', (backend) => {
  let quantizer;

  beforeAll(async () => {
    quantizer = await ArrowQuant.create({ backend, threads: 2 });
  });
  afterAll(() => quantizer.dispose());

  test('a signal that has fired already: nothing is read, taken over or called', async () => {
    const callback = jest.fn();
    const data = randomWeights(1000);
    const options = { signal: AbortSignal.abort(reason) };
    const given = { ...options, transfer: true };
    await expect(quantizer.quantizeBatchWithProgress({ data }, 4, callback, given)).rejects.toMatchObject(aborted);
    await expect(quantizer.dequantize(await quantized(data), options)).rejects.toMatchObject(aborted);
    await expect(quantizer.encode(randomWeights(256), 'Q4_0', options)).rejects.toMatchObject(aborted);
    await expect(quantizer.decode(new Uint8Array(18), 'Q4_0', options)).rejects.toMatchObject(aborted);
    expect(callback).not.toHaveBeenCalled();
    expect(data).toHaveLength(1000);
  });

  async function quantized(data) {
    return (await quantizer.quantizeBatch({ data }, 4)).get('data');
  }

  test('right after the call, before anything has run', async () => {
    const callback = jest.fn();
    const controller = new AbortController();
    const { signal } = controller;
    const promise = quantizer.quantizeBatchWithProgress(layersOf(20, 70_000), 4, callback, { signal });
    controller.abort(reason);
    await expect(promise).rejects.toMatchObject(aborted);
    expect(callback).not.toHaveBeenCalled();
  });

  test('in a progress callback: no callback is called again', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const events = [];
    const promise = quantizer.quantizeBatchWithProgress(
      layersOf(100, 1000),
      4,
      (_, progress) => {
        events.push(progress);
        if (events.length === 3) controller.abort(reason);
      },
      { signal },
    );
    await expect(promise).rejects.toMatchObject(aborted);
    await quantizer.quantizeBatch(layersOf(3), 4);
    expect(events).toEqual([0.01, 0.02, 0.03]);
  });

  test('in mid-layer, from the event loop', async () => {
    const controller = new AbortController();
    const big = randomWeights(1 << 20);
    // The same memory many times over: enough work that the first turn of the event loop does not end it.
    const weights = Array.from({ length: 200 }, (_, i) => [`layer ${i}`, big]);
    const promise = quantizer.quantizeBatch(weights, 4, { signal: controller.signal });
    setImmediate(() => controller.abort(reason));
    await expect(promise).rejects.toMatchObject(aborted);
  });

  test('dequantize, encode and decode', async () => {
    const data = randomWeights(1 << 20);
    const layer = await quantized(data);
    const blocks = await quantizer.encode(data, 'Q8_0');
    const controller = new AbortController();
    const { signal } = controller;
    const promises = [
      quantizer.dequantize(layer, { signal }),
      quantizer.encode(data, 'Q8_0', { signal }),
      quantizer.decode(blocks, 'Q8_0', { signal }),
    ];
    controller.abort(reason);
    for (const outcome of await Promise.allSettled(promises)) expect(outcome.reason).toMatchObject(aborted);
  });

  test('one of two overlapping batches: the other one is not touched', async () => {
    const weights = layersOf(10, 100_000);
    const controller = new AbortController();
    const first = quantizer.quantizeBatch(weights, 8);
    const second = quantizer.quantizeBatch(weights, 8, { signal: controller.signal });
    controller.abort(reason);
    await expect(second).rejects.toMatchObject(aborted);
    expect(firstDifference(await first, await quantizer.quantizeBatch(weights, 8))).toBeNull();
  });

  test('after the end it has no effect, and nothing listens any more', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const weights = layersOf(5);
    const result = await quantizer.quantizeBatch(weights, 4, { signal });
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    controller.abort(reason);
    expect(firstDifference(result, await quantizer.quantizeBatch(weights, 4))).toBeNull();
  });

  test('many calls share a signal: it has one listener, and ends them all', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const data = randomWeights(1 << 20);
    const promises = Array.from({ length: 12 }, () => quantizer.encode(data, 'Q8_0', { signal }));
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    controller.abort(reason);
    for (const outcome of await Promise.allSettled(promises)) expect(outcome.reason).toMatchObject(aborted);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  test('in the last callback it counts: the promise is still pending', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const events = [];
    const abortAtEnd = (_, progress) => {
      events.push(progress);
      if (progress === 1) controller.abort(reason);
    };
    const promise = quantizer.quantizeBatchWithProgress(layersOf(4), 4, abortAtEnd, { signal });
    await expect(promise).rejects.toMatchObject(aborted);
    await quantizer.quantizeBatch(layersOf(3), 4);
    expect(events).toEqual([0.25, 0.5, 0.75, 1]);
  });

  test('many aborted batches leave every slot free', async () => {
    const weights = layersOf(8, 300_000);
    for (let i = 0; i < 24; ++i) {
      const controller = new AbortController();
      // Right after the call, or in one of the callbacks.
      const callbacks = i % (weights.size + 1);
      const abortAfter = (_, progress) => progress * weights.size === callbacks && controller.abort(reason);
      const promise = quantizer.quantizeBatchWithProgress(weights, 2, abortAfter, { signal: controller.signal });
      if (callbacks === 0) controller.abort(reason);
      await expect(promise).rejects.toMatchObject(aborted);
    }
    expect(await quantizer.quantizeBatch(weights, 2)).toHaveProperty('size', 8);
  });

  test('what is no AbortSignal is refused', async () => {
    const options = { signal: { aborted: false } };
    await expect(quantizer.quantizeBatch(layersOf(1), 4, options)).rejects.toMatchObject({ code: 'invalid_option' });
  });
});

test('a call that has ended does not take the signal away from the others', () => {
  const controller = new AbortController();
  const { signal } = controller;
  const actions = new AbortActions();
  const [ended, going] = [jest.fn(), jest.fn()];
  const revoke = actions.add(signal, ended);
  actions.add(signal, going);
  revoke();
  controller.abort();
  expect(ended).not.toHaveBeenCalled();
  expect(going).toHaveBeenCalledTimes(1);
});
