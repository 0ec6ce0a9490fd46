import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import {
  float32Tensor,
  floatsOf,
  halfTensor,
  bfloatTensor,
  modelFile,
  readModel,
} from '../support/models/safetensors.mjs';
import { randomSource, sameBytes } from '../support/weights.mjs';

const folder = useFolder();
const quantizers = {};
beforeAll(async () => {
  for (const backend of ['threads', 'workers', 'single']) {
    quantizers[backend] = await ArrowQuant.create({ backend, threads: 2 });
  }
});
afterAll(() => Promise.all(Object.values(quantizers).map((one) => one.dispose())));

/** Many small tensors of all kinds and sizes, here and there a large one, in an order that is not that of the names. */
function manyTensors(count, seed = 1) {
  const random = randomSource(seed);
  const pick = (values) => values[Math.floor(random() * values.length)];
  return Array.from({ length: count }, (_, index) => {
    const name = `${pick(['blocks', 'layers', 'x'])}.${(index * 7919) % count}.weight`;
    const shape = pick([[256], [8, 32], [2, 128], [3, 5], [1, 1], [16, 256], [0, 32], [70, 257], [300, 256]]);
    if (random() < 0.1) return { name, dtype: 'I32', shape: [3], bytes: Buffer.alloc(12, index) };
    return pick([float32Tensor, halfTensor, bfloatTensor])(name, shape, index + 1);
  });
}

const inOrderOfAlignment = (tensors) => [...tensors].sort((a, b) => alignmentOf(b) - alignmentOf(a));
const alignmentOf = ({ dtype }) => ({ F32: 4, I32: 4 })[dtype] ?? 2;

const tensors = inOrderOfAlignment(manyTensors(400));

describe.each(['threads', 'workers', 'single'])('many small tensors, backend %s', (backend) => {
  test.each([
    ['safetensors', { bits: 4, mode: 'base' }],
    ['safetensors', { bits: 2, groupSize: 'tensor', symmetric: true, mode: 'base' }],
    ['safetensors', { type: 'BF16' }],
    ['gguf', { type: 'Q8_0', architecture: 'none' }],
    ['gguf', { type: 'Q4_K_M', architecture: 'none' }],
  ])('to %s with %j are what each of them is alone', async (container, options) => {
    const quantizer = quantizers[backend];
    const input = folder.write('in.safetensors', modelFile(tensors));
    const output = folder.path(`out.${container}`);
    const report = await quantizer.quantizeFile(input, output, options);
    expect(report.tensors).toHaveLength(tensors.length);
    const model = await quantizer.open(output);
    for (const tensor of tensors) {
      if (tensor.dtype === 'I32') continue;
      const found = report.tensors.find(({ name }) => name === tensor.name);
      const restored = await model.read(found.outputName);
      expect(sameBytes(restored, await alone(tensor, options))).toBe(true);
    }
    await model.close();
  });
});

const kAlone = new Map();

/** The tensor restored from an output that it has to itself; those of all backends are compared with the same. */
async function alone(tensor, options) {
  const key = JSON.stringify([tensor.name, options]);
  const known = kAlone.get(key);
  if (known !== undefined) return known;
  const input = new Blob([modelFile([tensor])]);
  const output = folder.path(`one.${options.type === undefined || options.type === 'BF16' ? 'safetensors' : 'gguf'}`);
  const { tensors } = await quantizers.threads.quantizeFile(input, output, options);
  const restored = await quantizers.threads.readTensor(output, tensors[0].outputName);
  kAlone.set(key, restored);
  return restored;
}

describe('small tensors', () => {
  test('are read and written many at a time', async () => {
    const tensors = Array.from({ length: 2000 }, (_, i) =>
      halfTensor(`t${String(i).padStart(4, '0')}.weight`, [2, 128], i),
    );
    const blob = new Blob([modelFile(tensors)]);
    let slices = 0;
    const source = { size: blob.size, slice: (begin, end) => (++slices, blob.slice(begin, end)) };
    const before = await quantizers.threads.open(source);
    const opening = slices;
    await before.close();
    slices = 0;
    const events = [];
    await quantizers.threads.quantizeFile(source, folder.path('out.safetensors'), {
      bits: 4,
      mode: 'base',
      progress: (name, progress) => events.push([name, progress]),
    });
    expect(slices - opening).toBeLessThan(20);
    expect(events.map(([name]) => name).sort()).toEqual(tensors.map(({ name }) => name));
    expect(events.map(([, progress]) => progress)).toEqual(tensors.map((_, i) => (i + 1) / tensors.length));
  });

  test('of which one has a NaN are refused by its name, with its index, and the first of several', async () => {
    const tensors = Array.from({ length: 300 }, (_, i) =>
      float32Tensor(`t${String(i).padStart(3, '0')}.weight`, [2, 64], i),
    );
    for (const [tensor, index] of [
      [200, 3],
      [77, 100],
      [77, 101],
    ]) {
      tensors[tensor].bytes.writeFloatLE(NaN, 4 * index);
    }
    const input = folder.write('in.safetensors', modelFile(tensors));
    for (const quantizer of Object.values(quantizers)) {
      const call = quantizer.quantizeFile(input, folder.path('out.safetensors'), { bits: 8, mode: 'base' });
      await expect(call).rejects.toMatchObject({ code: 'not_finite', layer: 't077.weight', index: 100, file: input });
      expect(folder.list()).toEqual(['in.safetensors']);
    }
  });

  test('that lie askew in their file are read all the same', async () => {
    // One byte before them: no float lies at a multiple of its size.
    const odd = { name: 'a.flag', dtype: 'BOOL', shape: [], bytes: Buffer.from([1]) };
    const tensors = [odd, ...Array.from({ length: 50 }, (_, i) => float32Tensor(`t${i}.weight`, [2, 64], i + 1))];
    const input = folder.write('in.safetensors', modelFile(tensors));
    const output = folder.path('out.safetensors');
    await quantizers.threads.quantizeFile(input, output, { type: 'F32' });
    const written = readModel(readFileSync(output)).tensors;
    for (const tensor of tensors.slice(1)) {
      expect(sameBytes(floatsOf(written.get(tensor.name)), floatsOf(tensor))).toBe(true);
    }
  });
});
