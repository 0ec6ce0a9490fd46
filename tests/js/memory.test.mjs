import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { runFixture } from './support/child.mjs';
import { firstDifference, layersOf, randomWeights, sameBytes } from './support/weights.mjs';

let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

describe.each(['threads', 'workers', 'single'])('transfer, backend %s', (backend) => {
  let quantizer;
  beforeAll(async () => {
    quantizer = await ArrowQuant.create({ backend, threads: 2 });
  });
  afterAll(() => quantizer.dispose());

  test('gives the same bytes and detaches the buffers', async () => {
    const expected = await quantizer.quantizeBatch(layersOf(4, 70_000), 4);
    const weights = layersOf(4, 70_000);
    const promise = quantizer.quantizeBatch(weights, 4, { transfer: true });
    for (const data of weights.values()) expect(data).toHaveLength(0);
    expect(firstDifference(await promise, expected)).toBeNull();
  });

  test('takes layers that share a buffer, subarrays and shapes', async () => {
    const whole = randomWeights(3000);
    const parts = () => ({ a: whole.slice(0, 1000), b: whole.slice(1000) });
    const expected = await quantizer.quantizeBatch(parts(), 2);
    const given = whole.slice();
    const weights = { a: given.subarray(0, 1000), b: { data: given.subarray(1000), shape: [2000] } };
    expect(firstDifference(await quantizer.quantizeBatch(weights, 2, { transfer: true }), expected)).toBeNull();
    expect(given).toHaveLength(0);
  });

  test('leaves SharedArrayBuffers as they are', async () => {
    const data = new Float32Array(new SharedArrayBuffer(4000));
    data.set(randomWeights(1000));
    const result = await quantizer.quantizeBatch({ data }, 4, { transfer: true });
    expect(data).toHaveLength(1000);
    expect(firstDifference(result, await quantizer.quantizeBatch({ data }, 4))).toBeNull();
  });

  test('detaches nothing when the arguments are wrong', async () => {
    const data = randomWeights(1000);
    await expect(quantizer.quantizeBatch({ data, x: 1 }, 4, { transfer: true })).rejects.toMatchObject({ layer: 'x' });
    await expect(quantizer.quantizeBatch({ data }, 5, { transfer: true })).rejects.toThrow('Invalid bit width: 5');
    expect(data).toHaveLength(1000);
  });
});

describe('output', () => {
  const weights = layersOf(5, 70_000);

  test('writes to the arrays of an earlier result', async () => {
    const output = await quantizer.quantizeBatch(layersOf(5, 70_000), 4, { groupSize: 64 });
    const changed = new Map([...weights].map(([name, data]) => [name, data.map((x) => -3 * x)]));
    const expected = await quantizer.quantizeBatch(changed, 4, { groupSize: 64 });
    const result = await quantizer.quantizeBatch(changed, 4, { groupSize: 64, output });
    expect(firstDifference(result, expected)).toBeNull();
    for (const [name, layer] of result) {
      const { quantizedData, scales, zeroPoints } = output.get(name);
      expect(layer.quantizedData).toBe(quantizedData);
      expect(layer.scales).toBe(scales);
      expect(layer.zeroPoints).toBe(zeroPoints);
    }
  });

  test('layers that it lacks get new arrays, layers that it has in excess are ignored', async () => {
    const all = await quantizer.quantizeBatch(weights, 8);
    const [name] = all.keys();
    const output = new Map([
      [name, all.get(name)],
      ['elsewhere', all.get(name)],
    ]);
    const result = await quantizer.quantizeBatch(weights, 8, { output });
    expect([...result.keys()]).toEqual([...all.keys()]);
    expect(result.get(name).scales).toBe(all.get(name).scales);
  });

  test('may lie in one buffer, shared or not', async () => {
    for (const buffer of [new ArrayBuffer(1024), new SharedArrayBuffer(1024)]) {
      const own = {
        scales: new Float32Array(buffer, 0, 8),
        zeroPoints: new Uint8Array(buffer, 32, 8),
        quantizedData: new Uint8Array(buffer, 40, 500),
      };
      const data = randomWeights(1000);
      const result = await quantizer.quantizeBatch({ data }, 4, { output: new Map([['data', own]]) });
      expect(firstDifference(result, await quantizer.quantizeBatch({ data }, 4))).toBeNull();
      expect(result.get('data').quantizedData).toBe(own.quantizedData);
    }
  });

  test.each([
    ['a wrong length', (layer) => ({ ...layer, quantizedData: layer.quantizedData.subarray(1) })],
    ['a wrong type', (layer) => ({ ...layer, scales: new Float64Array(layer.scales) })],
    ['a missing array', (layer) => ({ ...layer, zeroPoints: undefined })],
    ['nothing', () => undefined],
    ['one memory for two arrays', (layer) => ({ ...layer, zeroPoints: layer.quantizedData.subarray(0, 547) })],
  ])('%s is refused with the layer', async (_, change) => {
    const result = await quantizer.quantizeBatch(weights, 4);
    const name = 'layer.3.weight';
    const output = new Map(result).set(name, change(result.get(name)));
    await expect(quantizer.quantizeBatch(weights, 4, { output })).rejects.toMatchObject({
      name: 'QuantizeError',
      code: 'output_mismatch',
      layer: name,
    });
  });

  test('arrays of another layer or of the weights are refused', async () => {
    const result = await quantizer.quantizeBatch(weights, 4);
    const [first, second] = result.keys();
    const twice = new Map([
      [first, result.get(first)],
      [second, result.get(first)],
    ]);
    await expect(quantizer.quantizeBatch(weights, 4, { output: twice })).rejects.toMatchObject({
      code: 'output_mismatch',
      layer: first,
    });
    const data = randomWeights(1000);
    const inPlace = {
      scales: new Float32Array(8),
      zeroPoints: new Uint8Array(8),
      quantizedData: new Uint8Array(data.buffer, 0, 500),
    };
    await expect(quantizer.quantizeBatch({ data }, 4, { output: new Map([['data', inPlace]]) })).rejects.toMatchObject({
      code: 'output_mismatch',
      layer: 'data',
    });
  });
});

test('results have memory of their own, which nothing shares', async () => {
  const { quantizedData, scales, zeroPoints } = (await quantizer.quantizeBatch({ a: randomWeights(1000) }, 4)).get('a');
  const buffers = [quantizedData.buffer, scales.buffer, zeroPoints.buffer];
  for (const buffer of buffers) expect(Object.prototype.toString.call(buffer)).toBe('[object ArrayBuffer]');
  expect(new Set(buffers).size).toBe(3);
  const copy = quantizedData.slice();
  await quantizer.quantizeBatch({ a: randomWeights(5000, 77) }, 4);
  expect(sameBytes(quantizedData, copy)).toBe(true);
});

test('a 3 GB batch in many arrays takes no more heap than a small one', async () => {
  const { code, stdout, stderr } = await runFixture('three-gigabytes.mjs');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const measured = JSON.parse(stdout);
  expect(measured.inputBytes).toBeGreaterThanOrEqual(3e9);
  expect(measured.events).toBe(measured.layers);
  expect(measured.heapAfter).toBe(measured.heapBefore);
  expect(measured.heapAfter).toBeLessThanOrEqual(128 * 2 ** 20);
  // Beyond the results: the heap's pages as they are first touched, and what the garbage collector has not yet taken.
  expect(measured.residentGrowth - measured.resultBytes).toBeLessThan(200e6);
});
