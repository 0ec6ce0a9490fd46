import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { ArrowQuant, QuantizeError } from 'arrowquant';
import createModule from 'arrowquant/wasm';
import { RawJobs } from './support/raw-jobs.mjs';
import { quantizeReference } from './support/reference.mjs';
import { layersOf, randomWeights, sameBytes } from './support/weights.mjs';

describe.each(['threads', 'workers', 'single'])('arrowquant/wasm, backend %s', (backend) => {
  let module;

  beforeAll(async () => {
    module = await createModule({ backend, threads: 2 });
  });
  afterAll(() => module.dispose());

  test('quantizes with weights, bits and callback, as it does without options', async () => {
    const weights = layersOf(5, 1000);
    const events = [];
    const result = await module.quantizeBatchWithProgress(weights, 4, (...event) => events.push(event));
    const names = [...weights.keys()].sort();
    expect(events).toEqual(names.map((name, i) => [name, (i + 1) / 5]));
    expect([...result.keys()]).toEqual(names);
    expect(result.failures.size).toBe(0);
    for (const [name, layer] of result) {
      const { quantizedData, scales, zeroPoints, ...facts } = layer;
      expect(facts).toEqual({ shape: [1000], bitWidth: 4, groupSize: 128, symmetric: false });
      const expected = quantizeReference(weights.get(name), 4, 128, false);
      expect(sameBytes(quantizedData, expected.quantizedData)).toBe(true);
      expect(sameBytes(scales, expected.scales)).toBe(true);
      expect(sameBytes(zeroPoints, expected.zeroPoints)).toBe(true);
    }
  });

  test('callback and options may be missing', async () => {
    const weights = layersOf(3);
    expect((await module.quantizeBatchWithProgress(weights, 8)).size).toBe(3);
    expect((await module.quantizeBatchWithProgress(weights, 8, null)).size).toBe(3);
    expect((await module.quantizeBatchWithProgress(weights, 8, undefined, undefined)).size).toBe(3);
    expect((await module.quantizeBatchWithProgress(new Map(), 8)).size).toBe(0);
  });

  test('one group for the whole tensor is the group size 0', async () => {
    const data = randomWeights(100_000);
    const options = { groupSize: 0, symmetric: true };
    const layer = (await module.quantizeBatchWithProgress(new Map([['a', data]]), 8, null, options)).get('a');
    expect(layer).toMatchObject({ groupSize: 0, symmetric: true });
    const expected = quantizeReference(data, 8, 'tensor', true);
    expect(sameBytes(layer.quantizedData, expected.quantizedData)).toBe(true);
    expect(sameBytes(layer.scales, expected.scales)).toBe(true);
    expect(await module.dequantize(layer)).toHaveLength(100_000);
    const quantizer = await ArrowQuant.create({ backend: 'single' });
    expect(sameBytes(await quantizer.dequantize(layer), await module.dequantize(layer))).toBe(true);
    await quantizer.dispose();
  });

  test.each([
    ['3 bits', [layersOf(1), 3], 'invalid_bit_width'],
    ['no bits', [layersOf(1)], 'invalid_bit_width'],
    ['nothing', [], 'invalid_bit_width'],
    ['a plain object', [{}, 4], 'invalid_weights'],
    ['plain numbers', [new Map([['a', [1]]]), 4], 'invalid_weights'],
    ['a callback that is no function', [layersOf(1), 4, 7], 'invalid_option'],
    ['another group size', [layersOf(1), 4, null, { groupSize: 100 }], 'invalid_option'],
    ['a shape that does not fit', [new Map([['a', { data: new Float32Array(2), shape: [3] }]]), 4], 'shape_mismatch'],
    ['NaN', [new Map([['a', Float32Array.of(0, Number.NaN)]]), 4], 'not_finite'],
    ['more arguments than there are', [layersOf(1), 5, null, {}, 1, 2], 'invalid_bit_width'],
  ])('%s: rejects with an error of the package, and throws nothing', async (_, args, code) => {
    const promise = module.quantizeBatchWithProgress(...args);
    await expect(promise).rejects.toBeInstanceOf(QuantizeError);
    await expect(promise).rejects.toMatchObject({ code });
  });

  test('the text of an invalid bit width is the same', async () => {
    const promise = module.quantizeBatchWithProgress(layersOf(1), 3);
    await expect(promise).rejects.toThrow(/^Invalid bit width: 3\. Must be 2, 4, or 8$/);
  });

  test('NaN is named with layer and index', async () => {
    const weights = new Map([['a', Float32Array.of(0, Number.NaN)]]);
    await expect(module.quantizeBatchWithProgress(weights, 4)).rejects.toMatchObject({ layer: 'a', index: 1 });
  });

  test('what a callback throws is logged and ignored', async () => {
    const log = jest.spyOn(console, 'error').mockImplementation(() => undefined);
    try {
      const thrown = new Error('not my day');
      const result = await module.quantizeBatchWithProgress(layersOf(2), 4, () => {
        throw thrown;
      });
      expect(result.size).toBe(2);
      expect(log.mock.calls).toEqual(Array(2).fill(['Progress callback error (ignored):', thrown]));
    } finally {
      log.mockRestore();
    }
  });

  test('arrays of the output that are null count as not given', async () => {
    const weights = layersOf(1, 1000);
    const [name] = weights.keys();
    const output = new Map([[name, { quantizedData: null, scales: null }]]);
    const result = await module.quantizeBatchWithProgress(weights, 4, null, { output });
    expect(result.get(name).quantizedData).toHaveLength(500);
  });

  test.each([
    ['an output that is no Map', { output: 5 }],
    [
      'an option that throws',
      {
        get groupSize() {
          throw new Error('no');
        },
      },
    ],
    [
      'an output that throws',
      {
        output: {
          get: () => {
            throw new Error('no');
          },
        },
      },
    ],
  ])('%s is an invalid option, and no buffer is taken over', async (_, options) => {
    const weights = layersOf(1);
    Object.defineProperty(options, 'transfer', { value: true });
    const promise = module.quantizeBatchWithProgress(weights, 4, null, options);
    await expect(promise).rejects.toMatchObject({ name: 'QuantizeError', code: 'invalid_option' });
    for (const data of weights.values()) expect(data.length).toBeGreaterThan(0);
  });

  test('a job does what its records ask for, and tells of each what became of it', async () => {
    const jobs = new RawJobs(module);
    const memory = module.allocate(4096);
    const floats = new Float32Array(module.HEAPU8.buffer, memory, 64).fill(0.5);
    floats[40] = -2;
    const [source, target] = [
      { codec: 'F32', planes: [memory] },
      { codec: 'F16', planes: [memory + 1024] },
    ];
    jobs.write({ verb: 'transcode', weights: 64, source, target, measure: 1 }, 0);
    jobs.write({ verb: 'scan', weights: 64, source }, 1);
    jobs.write({ verb: 'compare', weights: 64, source, target: { ...source, scale: 2 } }, 2);
    expect(await jobs.submit(3)).toBe(-1);
    expect(new Uint16Array(module.HEAPU8.buffer, memory + 1024, 64)[40]).toBe(0xc000);
    expect(jobs.outcome('squaredOriginal', 0)).toBe(63 * 0.25 + 4);
    expect(['lo', 'hi', 'extreme'].map((word) => jobs.outcome(word, 1))).toEqual([-2, 0.5, -2]);
    expect(['equal', 'finite', 'maxError'].map((word) => jobs.outcome(word, 2))).toEqual([0, 1, 2]);
    floats[41] = Number.NaN;
    expect(await jobs.submit(3)).toBe(1);
    expect(module.statuses()[jobs.outcome('code', 1)]).toBe('not_finite');
    expect(jobs.outcome('position', 1)).toBe(41);
    expect(jobs.outcome('finite', 2)).toBe(0);
    module.release(memory);
    jobs.release();
  });

  test('a batch that the heap cannot hold is refused, and the module goes on', async () => {
    const kMebibyte = 2 ** 20;
    const jobs = new RawJobs(module);
    jobs.write({ verb: 'scan', weights: 0, source: { codec: 'F32' } });
    const rooms = [];
    for (let at = module.allocate(kMebibyte); at !== 0; at = module.allocate(kMebibyte)) rooms.push(at);
    const full = { name: 'QuantizeError', code: 'out_of_memory' };
    try {
      await expect(module.quantizeBatchWithProgress(layersOf(1), 4)).rejects.toMatchObject(full);
      await expect(module.encodeBlocks(randomWeights(32), 'Q8_0')).rejects.toMatchObject(full);
      await expect(jobs.submit()).rejects.toMatchObject(full);
      for (const at of rooms.splice(0, 16)) module.release(at);
      const data = new Float32Array(4);
      const many = new Map(Array.from({ length: 150_000 }, (_, i) => [`layer ${i}`, data]));
      const promise = module.quantizeBatchWithProgress(many, 4);
      await expect(promise).rejects.toMatchObject({ ...full, message: expect.stringContaining('fewer layers') });
      expect((await module.quantizeBatchWithProgress(layersOf(100), 4)).size).toBe(100);
    } finally {
      for (const at of rooms) module.release(at);
      jobs.release();
    }
  });

  test('a cancellation flag ends a batch', async () => {
    const cancellation = { cancelled: false };
    const promise = module.quantizeBatchWithProgress(layersOf(20, 70_000), 4, null, { cancellation });
    cancellation.cancelled = true;
    module.wake();
    await expect(promise).rejects.toMatchObject({ code: 'aborted' });
  });

  test('the heap is no larger than promised, whatever is done with it', async () => {
    const before = module.HEAPU8.buffer.byteLength;
    await module.quantizeBatchWithProgress(layersOf(40, 200_000), 4);
    expect(module.HEAPU8.buffer.byteLength).toBe(before);
    expect(before).toBeLessThanOrEqual(128 * 2 ** 20);
  });
});

test('dispose rejects what is pending and what comes later', async () => {
  const module = await createModule({ threads: 1 });
  const pending = module.quantizeBatchWithProgress(layersOf(10, 70_000), 4);
  module.dispose();
  module.dispose();
  await expect(pending).rejects.toMatchObject({ code: 'disposed' });
  await expect(module.quantizeBatchWithProgress(layersOf(1), 4)).rejects.toMatchObject({ code: 'disposed' });
});

test('options of createModule are checked', async () => {
  await expect(createModule({ threads: 1000 })).rejects.toMatchObject({
    name: 'QuantizeError',
    code: 'invalid_option',
  });
  await expect(createModule({ backend: 'gpu' })).rejects.toMatchObject({ code: 'invalid_option' });
  const module = await createModule(null);
  expect(module.threadCount()).toBeGreaterThan(0);
  module.dispose();
});

test('a module that cannot be loaded is an error', async () => {
  const wasmBinary = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
  for (const backend of ['auto', 'threads', 'single']) {
    const options = { backend, wasmBinary, startupTimeout: 3000 };
    await expect(createModule(options)).rejects.toMatchObject({ name: 'QuantizeError', code: 'startup_failed' });
  }
});
