import { chmodSync, lstatSync, mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { sameBytes } from '../support/weights.mjs';
import { useFolder } from '../support/models/folder.mjs';
import {
  bfloatTensor,
  float32Tensor,
  floatsOf,
  fromFloats,
  halfTensor,
  modelFile,
  readModel,
  restore,
} from '../support/models/safetensors.mjs';

/** Under Jest, every look at a global takes a microsecond. */
const { abs, floor, max, sqrt } = Math;

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

/** Sizes around groups, chunks of 131,072 and windows of 1,048,576 weights, and with odd tails. */
const kTensors = [
  float32Tensor('a.f32.weight', [3, 5, 7, 11], 1),
  halfTensor('b.f16.weight', [128, 64], 2),
  bfloatTensor('c.bf16.weight', [257, 129], 3),
  float32Tensor('d.chunks.weight', [260, 1024], 4),
  halfTensor('e.windows.weight', [1049, 1001], 5),
  float32Tensor('f.norm.weight', [4096], 6),
  halfTensor('g.bias', [77], 7),
  { name: 'h.position_ids', dtype: 'I64', shape: [1, 77], bytes: Buffer.alloc(77 * 8, 'ids') },
  { name: 'i.empty.weight', dtype: 'F32', shape: [0, 64], bytes: Buffer.alloc(0) },
  { name: 'j.flag', dtype: 'BOOL', shape: [], bytes: Buffer.from([1]) },
  bfloatTensor('k.zeros.weight', [40, 40], 8),
];
kTensors.at(-1).bytes.fill(0);
const kQuantized = [
  'a.f32.weight',
  'b.f16.weight',
  'c.bf16.weight',
  'd.chunks.weight',
  'e.windows.weight',
  'k.zeros.weight',
];
const kMetadata = { format: 'pt', 'a "key"': 'ünïcode\n' };

const writeInput = () => folder.write('in.safetensors', modelFile(kTensors, kMetadata));
const read = (name) => readModel(readFileSync(folder.path(name)));

describe.each([
  { bits: 4 },
  { bits: 8, groupSize: 32 },
  { bits: 2, groupSize: 256, symmetric: true },
  { bits: 4, groupSize: 'tensor' },
  { bits: 8, groupSize: 'tensor', symmetric: true },
])('quantizeFile with %j', (settings) => {
  const groupSize = settings.groupSize ?? 128;

  test('gives the bytes of quantizeBatch', async () => {
    await quantizer.quantizeFile(writeInput(), folder.path('out.safetensors'), settings);
    const { tensors } = read('out.safetensors');
    const weights = new Map(
      kTensors.filter(({ name }) => kQuantized.includes(name)).map((one) => [one.name, floatsOf(one)]),
    );
    const batch = await quantizer.quantizeBatch(weights, settings.bits, { groupSize, symmetric: settings.symmetric });
    for (const name of kQuantized) {
      const { quantizedData, scales, zeroPoints } = batch.get(name);
      expect(sameBytes(new Uint8Array(tensors.get(name).bytes), quantizedData)).toBe(true);
      expect(sameBytes(floatsOf(tensors.get(`${name}.scales`)), scales)).toBe(true);
      expect(sameBytes(new Uint8Array(tensors.get(`${name}.zero_points`).bytes), zeroPoints)).toBe(true);
    }
  });

  test('comes back within half a step, and exactly as docs/formats.md restores it', async () => {
    await quantizer.quantizeFile(writeInput(), folder.path('out.safetensors'), settings);
    await quantizer.dequantizeFile(folder.path('out.safetensors'), folder.path('back.safetensors'), { dtype: 'F32' });
    const out = read('out.safetensors');
    const back = read('back.safetensors');
    for (const original of kTensors.filter(({ name }) => kQuantized.includes(name))) {
      const restored = back.tensors.get(original.name);
      expect(restored.shape).toEqual(original.shape);
      expect(sameBytes(floatsOf(restored), restore(out, original.name))).toBe(true);
      const scales = floatsOf(out.tensors.get(`${original.name}.scales`));
      expect(worstStep(floatsOf(original), floatsOf(restored), scales, groupSize, settings.symmetric)).toBeLessThan(1);
    }
  });

  test('keeps what the rules keep, byte for byte, and the metadata', async () => {
    await quantizer.quantizeFile(writeInput(), folder.path('out.safetensors'), settings);
    await quantizer.dequantizeFile(folder.path('out.safetensors'), folder.path('back.safetensors'));
    for (const file of ['out.safetensors', 'back.safetensors']) {
      const { tensors, metadata } = read(file);
      expect(metadata).toMatchObject(kMetadata);
      for (const { name, dtype, shape, bytes } of kTensors.filter((one) => !kQuantized.includes(one.name))) {
        expect(tensors.get(name)).toMatchObject({ dtype, shape });
        expect(tensors.get(name).bytes.equals(bytes)).toBe(true);
      }
    }
    const { tensors, metadata } = read('back.safetensors');
    expect(metadata).toEqual(kMetadata);
    expect([...tensors.keys()].sort()).toEqual(kTensors.map(({ name }) => name));
    for (const { name, dtype, shape } of kTensors) expect(tensors.get(name)).toMatchObject({ dtype, shape });
  });
});

/**
 * The largest error as a part of what is allowed: half a step and f32's rounding. Symmetric levels reach from -2^(b-1) to
 * 2^(b-1) - 1 only, so that the far side may be cut off by one step.
 */
function worstStep(original, restored, scales, groupSize, symmetric = false) {
  let worst = 0;
  for (let index = 0; index < original.length; ++index) {
    const error = abs(original[index] - restored[index]);
    const scale = abs(scales[groupSize === 'tensor' ? 0 : floor(index / groupSize)]);
    const allowed = scale * (symmetric ? 1 : 0.5) * (1 + 1e-5) + abs(original[index]) * 2 ** -22;
    if (error > 0) worst = max(worst, error / allowed);
  }
  return worst;
}

/** The metrics by their definitions. */
function measure(original, restored) {
  let [error, squares, others, dot, most] = [0, 0, 0, 0, 0];
  for (let index = 0; index < original.length; ++index) {
    const [a, b] = [original[index], restored[index]];
    error += (a - b) ** 2;
    squares += a * a;
    others += b * b;
    dot += a * b;
    most = max(most, abs(a - b));
  }
  return {
    rmse: sqrt(error / original.length),
    relativeRmse: squares === 0 ? 0 : sqrt(error / squares),
    cosine: squares === 0 && others === 0 ? 1 : dot / sqrt(squares * others),
    maxError: most,
  };
}

describe('quantizeFile', () => {
  test('lays tensors out so that each is aligned to its elements', async () => {
    await quantizer.quantizeFile(writeInput(), folder.path('out.safetensors'));
    const { tensors, headerLength } = read('out.safetensors');
    expect(headerLength % 8).toBe(0);
    const size = { F32: 4, F16: 2, BF16: 2, I64: 8, U8: 1, BOOL: 1 };
    for (const { dtype, begin } of tensors.values()) expect(begin % size[dtype]).toBe(0);
  });

  test('reports each tensor, and totals that add up', async () => {
    const report = await quantizer.quantizeFile(writeInput(), folder.path('out.safetensors'));
    expect(report).toMatchObject({ input: folder.path('in.safetensors'), output: folder.path('out.safetensors') });
    expect(report.tensors.map(({ name }) => name)).toEqual(kTensors.map(({ name }) => name));
    const { tensors } = read('out.safetensors');
    for (const one of report.tensors) {
      const parts = [one.name, `${one.name}.scales`, `${one.name}.zero_points`];
      expect(one.bytesAfter).toBe(parts.reduce((sum, part) => sum + (tensors.get(part)?.bytes.length ?? 0), 0));
      expect(one.bytesBefore).toBe(kTensors.find(({ name }) => name === one.name).bytes.length);
    }
    const rules = Object.fromEntries(report.tensors.map(({ name, rule }) => [name, rule]));
    expect(rules).toMatchObject({
      'a.f32.weight': null,
      'f.norm.weight': 'norm',
      'g.bias': 'bias',
      'i.empty.weight': 'empty',
    });
    expect(rules).toMatchObject({ 'h.position_ids': 'not F32, F16 or BF16', 'j.flag': 'not F32, F16 or BF16' });
    const { totals } = report;
    const sum = (field) => report.tensors.reduce((total, one) => total + one[field], 0);
    expect(totals).toMatchObject({
      tensors: 11,
      converted: 6,
      kept: 5,
      bytesBefore: sum('bytesBefore'),
      bytesAfter: sum('bytesAfter'),
    });
    expect(totals.fileBytes).toBe(readFileSync(folder.path('out.safetensors')).length);
    expect(totals.ratio).toBeCloseTo(totals.bytesBefore / totals.bytesAfter);
  });

  test('measures what was lost as the definitions say', async () => {
    const report = await quantizer.quantizeFile(writeInput(), folder.path('out.safetensors'));
    const out = read('out.safetensors');
    for (const one of report.tensors.filter(({ rule }) => rule === null)) {
      const original = floatsOf(kTensors.find(({ name }) => name === one.name));
      const expected = measure(original, restore(out, one.name));
      for (const [metric, value] of Object.entries(expected)) expect(one[metric]).toBeCloseTo(value, 9);
    }
    for (const one of report.tensors.filter(({ rule }) => rule !== null)) expect(one.rmse).toBeNull();
  });

  test('gives no metrics that are no numbers: weights near the largest f32 are restored as infinity', async () => {
    const largest = (2 - 2 ** -23) * 2 ** 127;
    const values = Array.from({ length: 1024 }, (_, index) => [-largest, largest * 0.9][index % 2]);
    const input = folder.write('in.safetensors', modelFile([fromFloats('a.weight', 'F32', [32, 32], values)]));
    const output = folder.path('out.safetensors');
    const report = await quantizer.quantizeFile(input, output, { bits: 2 });
    expect(restore(read('out.safetensors'), 'a.weight')).toContain(-Infinity);
    const nothing = { rmse: null, relativeRmse: null, cosine: null, maxError: null };
    expect(report.tensors).toEqual([expect.objectContaining(nothing)]);
    expect((await quantizer.compareFiles(input, output)).tensors).toEqual([expect.objectContaining(nothing)]);
    await expect(quantizer.dequantizeFile(output, folder.path('back.safetensors'))).rejects.toMatchObject({
      code: 'not_finite',
      layer: 'a.weight',
    });
  });

  test('measures nothing when it is told so, and writes the same bytes', async () => {
    const input = writeInput();
    await quantizer.quantizeFile(input, folder.path('measured.safetensors'));
    const report = await quantizer.quantizeFile(input, folder.path('plain.safetensors'), { metrics: false });
    expect(report.tensors.every(({ rmse, cosine }) => rmse === null && cosine === null)).toBe(true);
    expect(
      readFileSync(folder.path('plain.safetensors')).equals(readFileSync(folder.path('measured.safetensors'))),
    ).toBe(true);
  });

  test.each([0o600, 0o664, 0o751])('keeps the permissions %p of the file that it replaces', async (mode) => {
    const output = folder.write('out.safetensors', 'the old output');
    chmodSync(output, mode);
    await quantizer.quantizeFile(writeInput(), output);
    expect(readFileSync(output).length).toBeGreaterThan(1000);
    expect(statSync(output).mode & 0o777).toBe(mode);
  });

  test('follows links that lead to nothing yet', async () => {
    mkdirSync(folder.path('sub'));
    symlinkSync('sub/second.safetensors', folder.path('first.safetensors'));
    symlinkSync(folder.path('sub/../third.safetensors'), folder.path('sub/second.safetensors'));
    await quantizer.quantizeFile(writeInput(), folder.path('first.safetensors'));
    expect(lstatSync(folder.path('third.safetensors')).isFile()).toBe(true);
    expect(readFileSync(folder.path('first.safetensors')).length).toBeGreaterThan(1000);
  });

  test('writes the same bytes with every backend, and with one thread', async () => {
    const input = writeInput();
    await quantizer.quantizeFile(input, folder.path('out.safetensors'), { groupSize: 'tensor' });
    for (const options of [{ backend: 'single' }, { backend: 'workers', threads: 2 }, { threads: 1 }]) {
      const other = await ArrowQuant.create(options);
      await other.quantizeFile(input, folder.path('other.safetensors'), { groupSize: 'tensor' });
      await other.dispose();
      expect(readFileSync(folder.path('other.safetensors')).equals(readFileSync(folder.path('out.safetensors')))).toBe(
        true,
      );
    }
  });

  test('in mode base has one scale a tensor and keeps less', async () => {
    const small = [halfTensor('conv_in.weight', [16, 4, 3, 3]), float32Tensor('norm.weight', [64, 64])];
    const input = folder.write('in.safetensors', modelFile(small));
    const report = await quantizer.quantizeFile(input, folder.path('out.safetensors'), { mode: 'base' });
    expect(report.tensors.map(({ to, rule }) => [to, rule])).toEqual([
      ['int4 tensor', null],
      ['F32', 'norm'],
    ]);
  });

  test.each([
    [{ profile: 'cloud' }, { mode: 'base' }, 'int8 g64'],
    [{ mode: 'base' }, { mode: 'diffusion' }, 'int4 g128'],
    [{ mode: 'base' }, { mode: 'diffusion', profile: 'edge' }, 'int2 g256'],
  ])('of a quantizer with %j, given %j, gives %s', async (create, options, type) => {
    const other = await ArrowQuant.create({ backend: 'single', ...create });
    const input = folder.write('in.safetensors', modelFile([float32Tensor('a.weight', [64, 64])]));
    const { tensors } = await other.quantizeFile(input, folder.path('out.safetensors'), options);
    expect(tensors.map(({ to }) => to)).toEqual([type]);
    await other.dispose();
  });

  test('takes more rules from the caller, and applies them first', async () => {
    const rules = [{ name: 'mine', when: { name: /^[ab]\./ } }];
    const report = await quantizer.quantizeFile(writeInput(), folder.path('out.safetensors'), { rules });
    const mine = report.tensors.filter(({ rule }) => rule === 'mine').map(({ name }) => name);
    expect(mine).toEqual(['a.f32.weight', 'b.f16.weight']);
  });

  test('reads a sharded model into one file', async () => {
    const parts = [kTensors.slice(0, 4), kTensors.slice(4)];
    const map = {};
    parts.forEach((part, index) => {
      folder.write(`part-${index}.safetensors`, modelFile(part, kMetadata));
      for (const { name } of part) map[name] = `part-${index}.safetensors`;
    });
    const index = folder.write('in.safetensors.index.json', JSON.stringify({ metadata: {}, weight_map: map }));
    await quantizer.quantizeFile(index, folder.path('sharded.safetensors'));
    await quantizer.quantizeFile(writeInput(), folder.path('whole.safetensors'));
    expect(
      readFileSync(folder.path('sharded.safetensors')).equals(readFileSync(folder.path('whole.safetensors'))),
    ).toBe(true);
  });

  test('refuses names that would be written twice, before it writes a byte', async () => {
    const tensors = [float32Tensor('a.weight', [64, 64]), float32Tensor('a.weight.scales', [8])];
    const input = folder.write('in.safetensors', modelFile(tensors));
    const call = quantizer.quantizeFile(input, folder.path('out.safetensors'));
    await expect(call).rejects.toMatchObject({ code: 'duplicate_layer', layer: 'a.weight.scales' });
    expect(folder.list()).toEqual(['in.safetensors']);
  });

  test('copes with names like __proto__ and constructor', async () => {
    const names = ['__proto__', 'constructor', 'toString'];
    const input = folder.write('in.safetensors', modelFile(names.map((name) => float32Tensor(name, [64, 64]))));
    await quantizer.quantizeFile(input, folder.path('out.safetensors'));
    await quantizer.dequantizeFile(folder.path('out.safetensors'), folder.path('back.safetensors'));
    const { tensors } = await quantizer.inspectFile(folder.path('back.safetensors'));
    expect(tensors.map(({ name, type }) => [name, type])).toEqual(names.map((name) => [name, 'F32']));
  });

  test('takes a model without tensors', async () => {
    const input = folder.write('in.safetensors', modelFile([]));
    const progress = jest.fn();
    const report = await quantizer.quantizeFile(input, folder.path('out.safetensors'), { progress });
    expect(report.totals).toMatchObject({ tensors: 0, bytesBefore: 0, bytesAfter: 0 });
    expect(progress).not.toHaveBeenCalled();
    expect(read('out.safetensors').tensors.size).toBe(0);
  });

  test('has several conversions under way at once', async () => {
    const input = writeInput();
    const names = Array.from({ length: 6 }, (_, index) => `out-${index}.safetensors`);
    await Promise.all(names.map((name) => quantizer.quantizeFile(input, folder.path(name))));
    const files = names.map((name) => readFileSync(folder.path(name)));
    for (const file of files) expect(file.equals(files[0])).toBe(true);
  });
});

describe('progress', () => {
  test('comes once a tensor, rises, and ends with exactly 1', async () => {
    const calls = [];
    await quantizer.quantizeFile(writeInput(), folder.path('out.safetensors'), {
      progress: (...call) => calls.push(call),
    });
    expect(calls.map(([name]) => name).sort()).toEqual(kTensors.map(({ name }) => name));
    calls.reduce((before, [, progress]) => {
      expect(progress).toBeGreaterThan(before);
      return progress;
    }, 0);
    expect(calls.at(-1)[1]).toBe(1);
  });

  test('errors of callbacks are logged and ignored', async () => {
    const log = jest.spyOn(console, 'error').mockImplementation(() => undefined);
    const fail = () => {
      throw new Error('mine');
    };
    const options = { progress: fail, onTensor: () => Promise.reject(new Error('mine')), onEvent: null };
    await quantizer.quantizeFile(writeInput(), folder.path('out.safetensors'), options);
    expect(log).toHaveBeenCalledTimes(2 * kTensors.length);
    expect(log).toHaveBeenCalledWith(
      'Progress callback error (ignored):',
      expect.objectContaining({ message: 'mine' }),
    );
    log.mockRestore();
  });

  test('events count all bytes, and give the reports', async () => {
    const events = [];
    const onTensor = jest.fn();
    const report = await quantizer.quantizeFile(writeInput(), folder.path('out.safetensors'), {
      onEvent: (event) => events.push(event),
      onTensor,
    });
    expect(events[0]).toEqual({
      ...{ type: 'start', tensors: kTensors.length, bytes: report.totals.bytesBefore, warnings: [] },
    });
    const bytes = events.filter(({ type }) => type === 'bytes');
    expect(bytes.at(-1).done).toBe(report.totals.bytesBefore);
    const reports = events.filter(({ type }) => type === 'tensor').map((event) => event.report);
    expect(onTensor.mock.calls.map(([one]) => one)).toEqual(reports);
    expect([...reports].sort((a, b) => (a.name < b.name ? -1 : 1))).toEqual(report.tensors);
  });
});

describe('abort', () => {
  test('before the start, and after each tensor: no file, no callback any more, and the quantizer goes on', async () => {
    const input = writeInput();
    for (let after = 0; after < kTensors.length; ++after) {
      const controller = new AbortController();
      const reason = new Error(`after ${after}`);
      if (after === 0) controller.abort(reason);
      let calls = 0;
      const progress = () => {
        if (++calls === after) controller.abort(reason);
      };
      const call = quantizer.quantizeFile(input, folder.path('out.safetensors'), {
        progress,
        signal: controller.signal,
      });
      await expect(call).rejects.toMatchObject({ code: 'aborted', cause: reason });
      expect(calls).toBe(after);
      expect(folder.list()).toEqual(['in.safetensors']);
    }
    await quantizer.quantizeFile(input, folder.path('out.safetensors'));
    expect(folder.list()).toEqual(['in.safetensors', 'out.safetensors']);
  });
});
