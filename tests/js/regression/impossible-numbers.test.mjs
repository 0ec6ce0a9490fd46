/** 2^32 - 1 weights overflowed a count of 32 bits: the job resolved, and nothing had been done. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import createModule from 'arrowquant/wasm';
import { RawJobs } from '../support/raw-jobs.mjs';

const kInvalid = { name: 'QuantizeError', code: 'invalid_option' };
const kWeights = 64;
const kMany = 2 ** 32 - 1;

describe.each(['threads', 'single'])('numbers that cannot be, backend %s', (backend) => {
  let module;
  let memory;
  let jobs;
  let heapBytes;
  let job;
  let floats;
  let affine;

  beforeAll(async () => {
    module = await createModule({ backend, threads: 2 });
    jobs = new RawJobs(module);
    heapBytes = module.HEAPU8.length;
    memory = module.allocate(4096);
    module.HEAPU8.fill(0, memory, memory + 4096);
    floats = { codec: 'F32', planes: [memory] };
    affine = { codec: 'affine', bits: 8, groupSize: 32, planes: [memory + 1024, memory + 2048, memory + 3072] };
    job = { verb: 'transcode', weights: kWeights, source: floats, target: affine };
  });
  afterAll(() => {
    jobs.release();
    module.release(memory);
    module.dispose();
  });

  async function expectRefusal(wrong) {
    jobs.write(job);
    jobs.write(wrong, 1);
    await expect(jobs.submit(2)).rejects.toMatchObject(kInvalid);
    await expect(jobs.submit(1)).resolves.toBe(-1);
  }

  test.each([
    ['as many weights as can be counted', { weights: kMany }],
    ['that many scanned', { verb: 'scan', weights: kMany }],
    ['that many compared', { verb: 'compare', weights: kMany }],
    ['2^30 weights, whose bytes are 2^32', { weights: 2 ** 30 }],
    ['more than can be counted', { weights: 2 ** 53 }],
    ['fewer than none', { weights: -1 }],
    ['half a weight', { weights: 0.5 }],
    ['NaN', { weights: Number.NaN }],
    ['an unknown verb', { verb: 3 }],
    ['half a verb', { verb: 0.5 }],
    ['an effort that there is not', { effort: 3 }],
    ['importance of no matrix', { importance: 2 ** 20, rowWeights: 32, matrices: 0 }],
    ['more matrices than the heap has importance for', { importance: 2 ** 20, rowWeights: 2 ** 20, matrices: 2 ** 31 }],
    ['rows of a matrix without importance', { importance: 2 ** 20, rowWeights: 32, matrices: 1, matrixRows: 1 }],
    ['a column beyond the row', { rowWeights: 32, firstColumn: 32 }],
    ['importance without rows', { importance: 2 ** 20 }],
    ['importance that lies nowhere', { importance: 8, rowWeights: 32 }],
    ['more importance than the heap has', { importance: 2 ** 20, rowWeights: kMany }],
    ['half a row', { rowWeights: 0.5 }],
    ['a row before the first', { firstRow: -1 }],
    ['a range that is none', { hasRange: 1, lo: 1, hi: 2 }],
    ['a range of NaN', { hasRange: 1, lo: Number.NaN }],
  ])('a job of %s is refused', async (_, fields) => {
    await expectRefusal({ ...job, ...fields });
  });

  test.each([
    ['no bits', { bits: 0 }],
    ['16 bits', { bits: 16 }],
    ['groups of 7', { groupSize: 7 }],
    ['groups of 2^31', { groupSize: 2 ** 31 }],
    ['a scale of its own', { scale: 2 }],
    ['a codec that there is not', { codec: 1000 }],
    ['half a codec', { codec: 0.5 }],
    ['a codec before the first', { codec: -1 }],
    ['a codec that is read only', { codec: 'F8_E4M3', bits: 0, groupSize: 0 }],
    ['whole blocks', { codec: 'Q8_0', bits: 0, groupSize: 0 }, { weights: 33 }],
    ['one group, and so many weights', { groupSize: 0 }, { weights: kMany }],
  ])('a target of %s is refused', async (_, target, fields = {}) => {
    await expectRefusal({ ...job, ...fields, target: { ...affine, ...target } });
  });

  test('a job whose memory is not all in the heap, or not aligned, is refused', async () => {
    for (const address of [0, 8, 0.5, -4, heapBytes - 4, 2 ** 32 - 4, 2 ** 53, Number.NaN]) {
      await expectRefusal({ ...job, source: { ...floats, planes: [address] } });
      for (const plane of [0, 1, 2]) {
        const planes = affine.planes.with(plane, address === heapBytes - 4 ? heapBytes - 1 : address);
        await expectRefusal({ ...job, target: { ...affine, planes } });
      }
    }
    await expectRefusal({ ...job, source: { ...floats, planes: [memory + 2] } });
  });

  test('records and outcomes that are not all in the heap are refused', async () => {
    jobs.write(job);
    const [records, outcomes] = [jobs.address, jobs.outcomes];
    for (const [from, count, to] of [
      [0, 1, outcomes],
      [records, 1, 0],
      [records + 4, 1, outcomes],
      [records, 1, outcomes + 4],
      [heapBytes - 8, 1, outcomes],
      [records, 1, heapBytes - 8],
      [records, 2 ** 32, outcomes],
      [records, 2 ** 40, outcomes],
      [records, -1, outcomes],
      [records, undefined, outcomes],
      [records, 1, '64'],
    ]) {
      await expect(module.submit(from, count, to)).rejects.toMatchObject(kInvalid);
    }
    await expect(module.submit(records, 0, outcomes)).resolves.toBe(-1);
  });

  test('a job is not changed by what is written to its record meanwhile', async () => {
    const promise = (jobs.write(job), jobs.submit());
    jobs.write({ ...job, weights: kMany });
    await expect(promise).resolves.toBe(-1);
    expect(jobs.outcome('code')).toBe(0);
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
      module.submit(0, 1, 0),
    ];
    for (const { reason } of await Promise.allSettled(calls)) expect(reason).toMatchObject(disposed);
    for (const call of [
      () => module.threadCount(),
      () => module.codecs(),
      () => module.statuses(),
      () => module.jobWords(),
      () => module.allocate(64),
    ]) {
      expect(call).toThrow(expect.objectContaining(disposed));
    }
    module.release(address);
    module.wake();
    module.dispose();
  });
});
