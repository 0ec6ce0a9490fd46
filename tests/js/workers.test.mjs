/** What only the backend `workers` has; what all backends have in common is tested where `threads` and `single` are. */
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { ArrowQuant, BLOCK_TYPES } from 'arrowquant';
import createModule from 'arrowquant/wasm';
import {
  affineCodec,
  codecNamed,
  createWindowPool,
  launchModule,
  readLaunchOptions,
  traitsOf,
} from './support/internals.mjs';
import { useFolder } from './support/models/folder.mjs';
import { bfloatTensor, float32Tensor, halfTensor, modelFile } from './support/models/safetensors.mjs';
import { runFixture } from './support/child.mjs';
import { layersOf, randomWeights, sameBytes } from './support/weights.mjs';

const folder = useFolder();
const kF32 = codecNamed('F32');
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
    launched = await launchModule(readLaunchOptions({ backend: 'workers', threads: 2 }));
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

  const kTargets = [
    ...[affineCodec(4, 32, false), affineCodec(2, 256, true), affineCodec(8, 0, true), codecNamed('BF16')],
    ...BLOCK_TYPES.map(codecNamed),
  ];

  const copyOf = (planes) => planes.map((plane) => plane.slice());
  const fill = (views, planes) => views.forEach((view, index) => view.set(planes[index]));

  test.each(kTargets)('encode, measure, compare and decode %j as those of a heap do', async (target) => {
    const weights = 256 * 600;
    const data = bytesOf(randomWeights(weights, 7));
    // Some types need to know how much columns count: the same, then.
    const effort = traitsOf(target).needsImportance ? 1 : 0;
    const [ours, theirs] = await onBoth(async (window) => {
      fill(window.input(weights, kF32), [data]);
      const { planes, error } = await window.transcode(weights, { codec: kF32 }, target, { measure: true, effort });
      const encoded = copyOf(planes);
      const comparison = await window.compare(weights, { codec: kF32 }, { codec: target });
      fill(window.input(weights, target), encoded);
      const restored = await window.transcode(weights, { codec: target }, codecNamed('F16'));
      return { parts: [...encoded, ...copyOf(restored.planes)], told: { error, comparison } };
    });
    expect(ours.told).toEqual(theirs.told);
    ours.parts.forEach((part, index) => expect(sameBytes(part, theirs.parts[index])).toBe(true));
  });

  test('keep the weights while they are scanned', async () => {
    const data = bytesOf(randomWeights(kWindowWeights, 9));
    const [ours, theirs] = await onBoth(async (window) => {
      fill(window.input(kWindowWeights, kF32), [data]);
      const range = await window.scan(kWindowWeights, { codec: kF32 });
      return { range, kept: sameBytes(window.input(kWindowWeights, kF32)[0], data) };
    });
    expect(ours).toEqual(theirs);
    expect(ours.kept).toBe(true);
  });

  test('do bundles as those of a heap do, and leave what lies between the parts', async () => {
    const target = affineCodec(4, 32, false);
    const parts = Array.from({ length: 50 }, (_, index) => ({
      weights: 16 * index,
      source: { codec: kF32 },
      inputOffsets: [index * 4096],
      target,
      outputOffsets: [index * 4096, index * 4096 + 2048, index * 4096 + 3072],
      options: { measure: true, rowWeights: 8, importance: new Float32Array(1000).subarray(8, 16).fill(1) },
    }));
    const [ours, theirs] = await onBoth(async (window) => {
      window.inputBytes().set(bytesOf(randomWeights(60_000, 11)));
      window.outputBytes().fill(0x5a);
      const errors = await window.transcodeBundle(parts);
      return { errors, output: window.outputBytes().slice() };
    });
    expect(ours.errors).toEqual(theirs.errors);
    expect(sameBytes(ours.output, theirs.output)).toBe(true);
  });

  test('tell which part of a bundle has failed', async () => {
    const outcomes = await onBoth((window) => {
      fill(window.input(64, kF32), [bytesOf(Float32Array.from({ length: 64 }, (_, i) => (i === 40 ? Number.NaN : i)))]);
      const part = { weights: 32, source: { codec: kF32 }, target: codecNamed('Q8_0'), outputOffsets: [0] };
      const parts = [0, 128].map((offset) => ({ ...part, inputOffsets: [offset] }));
      return window.transcodeBundle(parts).catch((error) => error);
    });
    for (const error of outcomes) expect(error).toMatchObject({ code: 'not_finite', part: 1, index: 8 });
  });

  test.each([
    ['not_finite', affineCodec(4, 128, false), Number.NaN],
    ['scale_overflow', codecNamed('Q4_0'), 1e30],
    ['float_overflow', codecNamed('F16'), 1e30],
  ])('reject with %s, the index and the same text', async (code, target, value) => {
    const data = randomWeights(300_032);
    data[200_000] = value;
    const [ours, theirs] = await onBoth((window) => {
      fill(window.input(data.length, kF32), [bytesOf(data)]);
      return window.transcode(data.length, { codec: kF32 }, target, { checked: true }).catch((error) => error);
    });
    expect(ours).toMatchObject({ name: 'QuantizeError', code, index: 200_000 });
    expect(ours.message).toBe(theirs.message);
  });

  test('are used again after a failure, without new memory', async () => {
    const [pool] = pools;
    const memories = new Set();
    for (let i = 0; i < 3 * pool.count; ++i) {
      await pool.lease(async (window) => {
        window.inputBytes().fill(i === 0 ? 0xff : 0);
        const target = affineCodec(4, 32, false);
        const { code = 'ok' } = await window.transcode(64, { codec: kF32 }, target).catch((error) => error);
        expect(code).toBe(i === 0 ? 'not_finite' : 'ok');
        memories.add(window.inputBytes().buffer.byteLength);
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
