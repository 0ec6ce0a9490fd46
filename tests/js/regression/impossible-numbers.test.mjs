/** 2^32 - 1 weights overflowed a count of 32 bits: the job resolved, and nothing had been done. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import createModule from 'arrowquant/wasm';

const kInvalid = { name: 'QuantizeError', code: 'invalid_option' };
const kWeights = 64;
const kMany = 2 ** 32 - 1;

describe.each(['threads', 'single'])('numbers that cannot be, backend %s', (backend) => {
  let module;
  let memory;
  let heapBytes;
  let job;

  beforeAll(async () => {
    module = await createModule({ backend, threads: 2 });
    heapBytes = module.HEAPU8.length;
    memory = module.allocate(4096);
    module.HEAPU8.fill(0, memory, memory + 4096);
    job = {
      ...{ operation: 'convert', source: 'F32', target: 'F32', format: '', weights: kWeights, measure: false },
      ...{ input: memory, output: memory + 1024, scales: memory + 2048, zeroPoints: memory + 3072 },
      ...{ bits: 8, groupSize: 32, scale: 1, zeroPoint: 0, symmetric: false },
    };
  });
  afterAll(() => {
    module.release(memory);
    module.dispose();
  });

  test.each([
    ['as many weights as can be counted', { weights: kMany }],
    ['that many levels', { operation: 'encode-affine', weights: kMany }],
    ['that many scanned', { operation: 'scan-affine', weights: kMany }],
    ['that many decoded', { operation: 'decode-affine', weights: kMany, groupSize: 0 }],
    ['that many in blocks', { operation: 'encode-block', format: 'Q8_0', weights: 2 ** 32 - 32 }],
    ['2^30 weights, whose bytes are 2^32', { weights: 2 ** 30 }],
    ['more than can be counted', { weights: 2 ** 53 }],
    ['fewer than none', { weights: -1 }],
    ['half a weight', { weights: 0.5 }],
    ['NaN', { weights: Number.NaN }],
    ['no address, as of memory that there was none of', { input: 0 }],
    ['an output at no address', { output: 0 }],
    ['scales at no address', { operation: 'encode-affine', scales: 0 }],
    ['zero points at no address', { operation: 'decode-affine', zeroPoints: 0 }],
    ['an address that wraps around', { input: 2 ** 32 - 4 }],
    ['levels in groups of 7', { operation: 'encode-affine', groupSize: 7 }],
    ['levels in groups of 2^31', { operation: 'decode-affine', groupSize: 2 ** 31 }],
    ['a scale of 0', { operation: 'encode-affine-scaled', scale: 0 }],
    ['a scale that is NaN', { operation: 'encode-affine-scaled', scale: Number.NaN }],
    ['a zero point of 9 bits', { operation: 'encode-affine-scaled', zeroPoint: 256 }],
  ])('a job of %s is refused', async (_, fields) => {
    await expect(module.submit({ ...job, ...fields })).rejects.toMatchObject(kInvalid);
    await expect(module.submit(job)).resolves.toMatchObject({ code: 0 });
  });

  test('a job whose memory reaches over the end of the heap is refused', async () => {
    for (const field of ['input', 'output']) {
      await expect(module.submit({ ...job, [field]: heapBytes - kWeights * 4 + 4 })).rejects.toMatchObject(kInvalid);
    }
  });

  test.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '64', undefined])(
    'allocate(%p) is refused',
    (bytes) => {
      expect(() => module.allocate(bytes)).toThrow(expect.objectContaining(kInvalid));
    },
  );

  test.each([2 ** 31, 2 ** 32 - 63, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 64, 2 ** 53 - 1])(
    'there is no memory of %p bytes',
    (bytes) => {
      expect(module.allocate(bytes)).toBe(0);
    },
  );

  test('only what was allocated can be given back, and once', () => {
    const address = module.allocate(64);
    for (const wrong of [address + 8, -1, Number.NaN, 2 ** 40]) {
      expect(() => module.release(wrong)).toThrow(expect.objectContaining(kInvalid));
    }
    module.release(address);
    expect(() => module.release(address)).toThrow(expect.objectContaining(kInvalid));
    module.release(0);
  });

  test('sizes of packed levels are exact as far as numbers are', () => {
    expect(module.affinePackedBytes(2 ** 52 + 1, 4)).toBe(2 ** 51 + 1);
    for (const weights of [-1, 1.5, Number.NaN, 2 ** 53]) {
      expect(() => module.affinePackedBytes(weights, 4)).toThrow(expect.objectContaining(kInvalid));
    }
    const noBits = expect.objectContaining({ code: 'invalid_bit_width' });
    for (const bits of [0, 16, Number.NaN, undefined]) expect(() => module.affinePackedBytes(8, bits)).toThrow(noBits);
  });

  test('a scale is that of a range', () => {
    const range = { lo: -1, hi: 1, extreme: 1 };
    expect(module.affineScale(range, 8, false).scale).toBeCloseTo(2 / 255);
    for (const wrong of [{ lo: Number.NaN }, { hi: '1' }, { extreme: undefined }]) {
      const take = () => module.affineScale({ ...range, ...wrong }, 8, false);
      expect(take).toThrow(expect.objectContaining(kInvalid));
    }
  });
});

describe.each(['threads', 'workers', 'single'])('a module that was disposed of, backend %s', (backend) => {
  test('refuses whatever gives something, and does nothing for the rest', async () => {
    const disposed = { name: 'QuantizeError', code: 'disposed' };
    const module = await createModule({ backend, threads: 1 });
    const address = module.allocate(64);
    module.dispose();
    const calls = [
      module.start(),
      module.quantizeBatchWithProgress(new Map(), 4),
      module.dequantize({}),
      module.encodeBlocks(new Float32Array(32), 'Q8_0'),
      module.decodeBlocks(new Uint8Array(34), 'Q8_0'),
      module.submit({}),
    ];
    for (const { reason } of await Promise.allSettled(calls)) expect(reason).toMatchObject(disposed);
    for (const call of [
      () => module.threadCount(),
      () => module.blockFormats(),
      () => module.allocate(64),
      () => module.affinePackedBytes(8, 4),
      () => module.affineScale({ lo: 0, hi: 1, extreme: 1 }, 8, false),
    ]) {
      expect(call).toThrow(expect.objectContaining(disposed));
    }
    module.release(address);
    module.wake();
    module.dispose();
  });
});
