import { createContext, runInContext } from 'node:vm';
import { MessageChannel } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { firstDifference, randomWeights, sameBytes } from './support/weights.mjs';

const data = randomWeights(100_000, 9);
const other = randomWeights(333, 10);

let quantizer;
let expected;

beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
  expected = await quantizer.quantizeBatch(
    new Map([
      ['a', data],
      ['b', other],
    ]),
    4,
  );
});
afterAll(() => quantizer.dispose());

const quantize = (weights, options) => quantizer.quantizeBatch(weights, 4, options);

/** A function that gives what `code` evaluates to in a realm of its own, where `source` is the given value. */
function inOtherRealm(code, source) {
  return runInContext(code, createContext({ source }));
}

describe('weights may come as', () => {
  test.each([
    ['a plain object', () => ({ b: other, a: data })],
    ['an object without a prototype', () => Object.assign(Object.create(null), { a: data, b: other })],
    [
      'pairs',
      () => [
        ['b', other],
        ['a', data],
      ],
    ],
    [
      'the entries of a Map',
      () =>
        new Map([
          ['a', data],
          ['b', other],
        ]).entries(),
    ],
    [
      'a generator',
      function* () {
        yield ['b', other];
        yield ['a', data];
      },
    ],
    [
      'a Map of another realm',
      () =>
        inOtherRealm('new Map(source)', [
          ['a', data],
          ['b', other],
        ]),
    ],
    ['an object of another realm', () => inOtherRealm('({ a: source[0], b: source[1] })', [data, other])],
    ['arrays of another realm', () => ({ a: inOtherRealm('Float32Array.from(source)', data), b: other })],
    ['structured clones', () => structuredClone({ a: data, b: other })],
    ['subarrays', () => ({ a: padded(data), b: padded(other) })],
    ['SharedArrayBuffers', () => ({ a: shared(data), b: shared(other) })],
    ['subarrays of a SharedArrayBuffer', () => ({ a: shared(data, 7), b: shared(other, 1) })],
    ['resizable buffers', () => ({ a: resizable(data), b: other })],
    ['the memory of another module', () => ({ a: wasmMemory(data), b: other })],
    ['a subclass of Float32Array', () => ({ a: new (class Weights extends Float32Array {})(data), b: other })],
  ])('%s', async (_, weights) => {
    expect(firstDifference(await quantize(weights()), expected)).toBeNull();
  });

  test('messages of a channel', async () => {
    const { port1, port2 } = new MessageChannel();
    const received = new Promise((resolve) => port2.once('message', resolve));
    port1.postMessage(
      new Map([
        ['a', data],
        ['b', other],
      ]),
    );
    expect(firstDifference(await quantize(await received), expected)).toBeNull();
    port1.close();
  });

  function padded(array, before = 3) {
    const whole = new Float32Array(array.length + before + 5).fill(Number.NaN);
    whole.set(array, before);
    return whole.subarray(before, before + array.length);
  }

  function shared(array, before = 0) {
    const view = new Float32Array(new SharedArrayBuffer((array.length + before) * 4), before * 4);
    view.set(array);
    return view;
  }

  function resizable(array) {
    const view = new Float32Array(new ArrayBuffer(array.byteLength, { maxByteLength: array.byteLength * 2 }));
    view.set(array);
    return view;
  }

  function wasmMemory(array) {
    const view = new Float32Array(new WebAssembly.Memory({ initial: 16 }).buffer, 64, array.length);
    view.set(array);
    return view;
  }
});

describe('shapes', () => {
  test('are kept, and change no byte', async () => {
    const result = await quantize({ a: { data, shape: [10, 100, 100] }, b: { data: other, shape: [333, 1] } });
    expect(result.get('a').shape).toEqual([10, 100, 100]);
    expect(result.get('b').shape).toEqual([333, 1]);
    expect(sameBytes(result.get('a').quantizedData, expected.get('a').quantizedData)).toBe(true);
  });

  test('are copied: the result does not change with the caller’s array', async () => {
    const shape = [333];
    const result = await quantize({ b: { data: other, shape } });
    shape.push(1);
    expect(result.get('b').shape).toEqual([333]);
  });

  test('of rank 0 are those of one weight', async () => {
    const result = await quantize({ scalar: { data: Float32Array.of(0.5), shape: [] } });
    expect(result.get('scalar').shape).toEqual([]);
    expect([...(await quantizer.dequantize(result.get('scalar')))]).toEqual([0.5]);
  });
});

test('layers may share memory', async () => {
  const overlapping = { a: data, part: data.subarray(1000, 2000), again: data };
  const result = await quantize(overlapping);
  expect(sameBytes(result.get('again').quantizedData, expected.get('a').quantizedData)).toBe(true);
  const alone = await quantize({ part: data.slice(1000, 2000) });
  expect(sameBytes(result.get('part').quantizedData, alone.get('part').quantizedData)).toBe(true);
});

test('names are sorted by code units, whatever they are', async () => {
  const names = ['', 'b', 'B', 'a.10', 'a.9', 'ä', 'z', '\u{1F600}', '\uFB00', '__proto__', 'constructor'];
  const pairs = names.map((name, i) => [name, Float32Array.of(i)]);
  const events = [];
  const result = await quantizer.quantizeBatchWithProgress(pairs, 8, (layer) => events.push(layer));
  expect([...result.keys()]).toEqual([...names].sort());
  expect(events).toEqual([...names].sort());
  for (const [i, name] of names.entries()) {
    expect((await quantizer.dequantize(result.get(name)))[0]).toBeCloseTo(i, 5);
  }
});

test('the caller’s weights are left as they are', async () => {
  const copy = data.slice();
  await quantize({ a: data });
  expect(sameBytes(data, copy)).toBe(true);
});

test('overlapping calls do not disturb each other', async () => {
  const jobs = [2, 4, 8].flatMap((bits) => [32, 128, 'tensor'].map((groupSize) => ({ bits, groupSize })));
  const run = ({ bits, groupSize }) => quantizer.quantizeBatch({ a: data, b: other }, bits, { groupSize });
  const together = await Promise.all(jobs.map(run));
  for (const [i, job] of jobs.entries()) expect(firstDifference(together[i], await run(job))).toBeNull();
});

test('dequantize takes layers of another realm', async () => {
  const layer = expected.get('b');
  const clone = inOtherRealm(
    '({ ...source, quantizedData: Uint8Array.from(source.quantizedData), scales: Float32Array.from(source.scales) })',
    layer,
  );
  expect(sameBytes(await quantizer.dequantize(clone), await quantizer.dequantize(layer))).toBe(true);
});
