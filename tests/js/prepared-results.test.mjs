import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';

const LAYERS = 10;
const LAYER_WEIGHTS = 3 << 20;
/** One batch nearly always has several results prepared in time; a busy machine may be late with all of them. */
const MOST_BATCHES = 20;

/** Layers that are large enough for pool threads to allocate their results ahead of time. */
function largeLayers() {
  const pattern = Float32Array.from({ length: 4099 }, (_, i) => Math.sin(i * i));
  const all = new Float32Array(LAYERS * LAYER_WEIGHTS);
  for (let at = 0; at < all.length; at += pattern.length) all.set(pattern.subarray(0, all.length - at), at);
  const layer = (i) => [`layer.${i}`, all.subarray(i * LAYER_WEIGHTS, (i + 1) * LAYER_WEIGHTS)];
  return new Map(Array.from({ length: LAYERS }, (_, i) => layer(i)));
}

const bytesOf = ({ quantizedData, scales, zeroPoints }) =>
  [quantizedData, scales, zeroPoints].map((array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength));

function expectSameBytes(result, expected) {
  expect([...result.keys()]).toEqual([...expected.keys()]);
  for (const [name, layer] of expected) {
    expect(bytesOf(result.get(name)).every((bytes, i) => bytes.equals(bytesOf(layer)[i]))).toBe(true);
  }
}

describe('results that pool threads have allocated', () => {
  /** The buffers that threads have sent, as they reach this one, with the number of the batch that they are meant for. */
  const sent = new Map();
  const weights = largeLayers();
  let spy;
  let threads;
  let expected;

  /** A batch for which results have come in time to be used, and the number that the module has given it. */
  async function batchWithPrepared() {
    for (let batches = 0; batches < MOST_BATCHES; ++batches) {
      const result = await threads.quantizeBatch(weights, 8);
      const numbers = [...result.values()].map(({ quantizedData }) => sent.get(quantizedData.buffer));
      const number = numbers.find((one) => one !== undefined);
      if (number !== undefined) return { result, number };
    }
    throw new Error(`none of ${MOST_BATCHES} batches had a result prepared in time`);
  }

  beforeAll(async () => {
    const { emit } = Worker.prototype;
    spy = jest.spyOn(Worker.prototype, 'emit').mockImplementation(function (event, message, ...rest) {
      const { buffer, id } = (event === 'message' && message?.arrowQuantResult) || {};
      if (buffer !== undefined) sent.set(buffer, id);
      return emit.call(this, event, message, ...rest);
    });
    threads = await ArrowQuant.create({ backend: 'threads', threads: 2 });
    const single = await ArrowQuant.create({ backend: 'single' });
    expected = await single.quantizeBatch(weights, 8);
    await single.dispose();
  });
  afterAll(async () => {
    await threads.dispose();
    spy.mockRestore();
  });

  test('come in time to be used, each in a buffer of its own, with the bytes of the single-threaded build', async () => {
    const { result } = await batchWithPrepared();
    expectSameBytes(result, expected);
    const buffers = [...result.values()].map(({ quantizedData }) => quantizedData.buffer);
    expect(new Set(buffers).size).toBe(LAYERS);
    expect(buffers.map((buffer) => Object.prototype.toString.call(buffer))).not.toContain('[object SharedArrayBuffer]');
  });

  test('are not made where the caller has given arrays', async () => {
    const { result: output, number } = await batchWithPrepared();
    const again = await threads.quantizeBatch(weights, 8, { output });
    expectSameBytes(again, expected);
    for (const [name, layer] of again) expect(layer.quantizedData).toBe(output.get(name).quantizedData);
    // What was ordered for the batch before may still arrive; for this one there is nothing.
    expect([...sent.values()].filter((one) => one > number)).toEqual([]);
  });
});
