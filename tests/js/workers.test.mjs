/** What only the backend `workers` has; what all backends have in common is tested where `threads` and `single` are. */
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { ArrowQuant, BLOCK_TYPES } from 'arrowquant';
import createModule from 'arrowquant/wasm';
import { createWindowPool, launchModule } from './support/internals.mjs';
import { useFolder } from './support/models/folder.mjs';
import { bfloatTensor, float32Tensor, halfTensor, modelFile } from './support/models/safetensors.mjs';
import { runFixture } from './support/child.mjs';
import { layersOf, randomWeights, sameBytes } from './support/weights.mjs';

const folder = useFolder();
const kF32 = { kind: 'float', type: 'F32' };
const kWindowWeights = 1 << 20;

let quantizer;
let single;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ backend: 'workers', threads: 2 });
  single = await ArrowQuant.create({ backend: 'single' });
});
afterAll(() => Promise.all([quantizer.dispose(), single.dispose()]));

describe('files', () => {
  const kTensors = [
    float32Tensor('a.weight', [1100, 1024], 1),
    halfTensor('b.weight', [1049, 1001], 2),
    bfloatTensor('c.weight', [257, 129], 3),
    float32Tensor('norm.weight', [64], 4),
  ];
  const kModel = modelFile(kTensors);

  /** What a quantizer makes of the model: the bytes of both files, and all that it tells of them. */
  async function convert(one, options) {
    const input = folder.write('in.safetensors', kModel);
    const [packed, restored] = [folder.path('packed.safetensors'), folder.path('restored.safetensors')];
    // Tensors of a file end in any order.
    const progress = { tensors: [], fractions: [] };
    const tell = (tensor, fraction) => {
      progress.tensors.push(tensor);
      progress.fractions.push(fraction);
    };
    const report = await one.quantizeFile(input, packed, { ...options, progress: tell });
    await one.dequantizeFile(packed, restored, { dtype: 'F32' });
    const comparison = await one.compareFiles(input, packed);
    progress.tensors.sort();
    return {
      files: [packed, restored].map((name) => readFileSync(name)),
      told: JSON.stringify({ progress, tensors: report.tensors, comparison }),
    };
  }

  test.each([{}, { groupSize: 'tensor', symmetric: true }, { bits: 8, groupSize: 32 }, { bits: 2 }])(
    'with %j: the same bytes, reports and progress as on the calling thread',
    async (options) => {
      const [ours, theirs] = [await convert(quantizer, options), await convert(single, options)];
      expect(ours.told).toBe(theirs.told);
      ours.files.forEach((file, index) => expect(file.equals(theirs.files[index])).toBe(true));
    },
  );

  test('name the tensor and the index of a weight that is not finite', async () => {
    const bad = float32Tensor('b.weight', [1100, 1024], 2);
    bad.bytes.writeFloatLE(Number.NaN, 1_100_000 * 4);
    const input = folder.write('bad.safetensors', modelFile([float32Tensor('a.weight', [64, 64]), bad]));
    const [ours, theirs] = await Promise.all(
      [quantizer, single].map((one, index) =>
        one.quantizeFile(input, folder.path(`${index}.safetensors`)).catch((error) => error),
      ),
    );
    expect(ours).toMatchObject({ code: 'not_finite', layer: 'b.weight', index: 1_100_000 });
    expect(ours.message).toBe(theirs.message);
    expect(folder.list()).toEqual(['bad.safetensors']);
  });

  test.each([
    ['abort', 'aborted'],
    ['dispose', 'disposed'],
  ])('%s while windows are away rejects and leaves nothing behind', async (what, code) => {
    const one = await ArrowQuant.create({ backend: 'workers', threads: 2 });
    const input = folder.write('in.safetensors', kModel);
    const controller = new AbortController();
    const end = { abort: () => controller.abort(), dispose: () => void one.dispose() };
    const onEvent = jest.fn(({ type }) => (type === 'bytes' ? end[what]() : undefined));
    const promise = one.quantizeFile(input, folder.path('out.safetensors'), { signal: controller.signal, onEvent });
    await expect(promise).rejects.toMatchObject({ code });
    expect(onEvent).toHaveBeenCalled();
    expect(folder.list()).toEqual(['in.safetensors']);
    await one.dispose();
  });
});

describe('windows', () => {
  let launched;
  let module;
  let pools;
  beforeAll(async () => {
    launched = await launchModule({ backend: 'workers', threads: 2, startupTimeout: 30_000 });
    module = await createModule({ backend: 'single' });
    pools = [launched.createWindows(4), createWindowPool(module, 1)];
  });
  afterAll(() => {
    launched.module.dispose();
    module.dispose();
  });

  const bytesOf = ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength);

  /** Runs `use` on a window of the workers and on one of a heap. */
  async function onBoth(use) {
    const results = [];
    for (const pool of pools) results.push(await pool.lease(use));
    return results;
  }

  const kEncodings = [
    { kind: 'affine', bits: 4, groupSize: 32, symmetric: false },
    { kind: 'affine', bits: 2, groupSize: 256, symmetric: true },
    { kind: 'affine-scaled', bits: 8, scale: 0.01, zeroPoint: 128 },
    { kind: 'float', type: 'BF16' },
    ...BLOCK_TYPES.map((format) => ({ kind: 'block', format })),
  ];

  test.each(kEncodings)('encode, measure and decode %j as those of a heap do', async (encoding) => {
    const weights = 256 * 600;
    const data = randomWeights(weights, 7);
    const [ours, theirs] = await onBoth(async (window) => {
      window.input(weights, kF32).set(bytesOf(data));
      const { packed, scales, zeroPoints, error } = await window.encode(weights, kF32, encoding, true);
      const parts = [packed, scales, zeroPoints].map((part) => part.slice());
      const given = window.encodedInput(weights, encoding);
      [given.packed, given.scales, given.zeroPoints].forEach((part, index) => part.set(parts[index]));
      if (encoding.kind === 'affine-scaled') return { parts, error };
      return { parts: [...parts, (await window.decode(weights, encoding, 'F16')).slice()], error };
    });
    expect(ours.error).toEqual(theirs.error);
    ours.parts.forEach((part, index) => expect(sameBytes(part, theirs.parts[index])).toBe(true));
  });

  test('keep the weights while they are scanned', async () => {
    const data = randomWeights(kWindowWeights, 9);
    const [ours, theirs] = await onBoth(async (window) => {
      window.input(data.length, kF32).set(bytesOf(data));
      const range = await window.scan(data.length, kF32);
      return { range, kept: sameBytes(window.input(data.length, kF32), bytesOf(data)) };
    });
    expect(ours).toEqual(theirs);
    expect(ours.kept).toBe(true);
  });

  test.each([
    ['not_finite', { kind: 'affine', bits: 4, groupSize: 128, symmetric: false }, Number.NaN],
    ['scale_overflow', { kind: 'block', format: 'Q4_0' }, 1e30],
    ['float_overflow', { kind: 'float', type: 'F16', checked: true }, 1e30],
  ])('reject with %s, the index and the same text', async (code, encoding, value) => {
    const data = randomWeights(300_032);
    data[200_000] = value;
    const [ours, theirs] = await onBoth((window) => {
      window.input(data.length, kF32).set(bytesOf(data));
      return window.encode(data.length, kF32, encoding, false).catch((error) => error);
    });
    expect(ours).toMatchObject({ name: 'QuantizeError', code, index: 200_000 });
    expect(ours.message).toBe(theirs.message);
  });

  test('are used again after a failure, without new memory', async () => {
    const [pool] = pools;
    const memories = new Set();
    for (let i = 0; i < 3 * pool.count; ++i) {
      await pool.lease(async (window) => {
        window.input(64, kF32).fill(i === 0 ? 0xff : 0);
        const encoding = { kind: 'affine', bits: 4, groupSize: 32, symmetric: false };
        const { code = 'ok' } = await window.encode(64, kF32, encoding, false).catch((error) => error);
        expect(code).toBe(i === 0 ? 'not_finite' : 'ok');
        memories.add(window.input(64, kF32).buffer.byteLength);
      });
    }
    expect(memories.size).toBe(1);
  });
});

test('3,000 small layers share messages: one for each would take longer than the work', async () => {
  const post = jest.spyOn(Worker.prototype, 'postMessage');
  try {
    expect((await quantizer.quantizeBatch(layersOf(3000, 300), 4)).size).toBe(3000);
    const shares = post.mock.calls.map(([{ parcels }]) => parcels.length);
    expect(shares.reduce((sum, share) => sum + share, 0)).toBe(3000);
    expect(Math.max(...shares)).toBeGreaterThan(1);
  } finally {
    post.mockRestore();
  }
});

test('a worker that ends in mid-batch fails batches, files and windows that are pending, and what comes later', async () => {
  const input = folder.write('in.safetensors', modelFile([float32Tensor('a.weight', [3000, 1024])]));
  const { code, signal, stdout, stderr } = await runFixture('ended-worker.mjs', {
    args: [input, folder.path('out.safetensors')],
  });
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  const ended = { code: 'internal', cause: 'it has ended with code 1' };
  expect(JSON.parse(stdout)).toEqual([ended, ended, ended]);
  expect(folder.list()).toEqual(['in.safetensors']);
});
