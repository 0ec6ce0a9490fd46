import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import { float32Tensor, floatsOf, halfTensor, modelFile } from '../support/models/safetensors.mjs';
import { sameBytes } from '../support/weights.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const kTensors = [float32Tensor('b.weight', [300, 200], 1), halfTensor('a.weight', [64, 64], 2)];
const writeInput = () => folder.write('in.safetensors', modelFile(kTensors, { format: 'pt' }));

/** A source that counts how often it is read. */
function countedBlob(bytes) {
  const blob = new Blob([bytes]);
  const counted = { size: blob.size, reads: 0, slice: (begin, end) => (++counted.reads, blob.slice(begin, end)) };
  return counted;
}

describe('open', () => {
  test('says what the file holds, as inspectFile does', async () => {
    const input = writeInput();
    const model = await quantizer.open(input);
    const { file, container, files, metadata, tensors, elements, bytes } = model;
    expect({ file, container, files, metadata, tensors, elements, bytes }).toEqual(await quantizer.inspectFile(input));
    await model.close();
  });

  test('reads any elements, and many tensors at a time, without reading the header again', async () => {
    const source = countedBlob(modelFile(kTensors));
    const model = await quantizer.open(source);
    const before = source.reads;
    const reads = kTensors.flatMap(({ name }) => [model.read(name), model.read(name, { begin: 100, end: 1100 })]);
    const values = await Promise.all(reads);
    for (const [index, tensor] of kTensors.entries()) {
      const all = floatsOf(tensor);
      expect(sameBytes(values[2 * index], all)).toBe(true);
      expect(sameBytes(values[2 * index + 1], all.slice(100, 1100))).toBe(true);
    }
    expect(source.reads - before).toBe(reads.length);
    await model.close();
  });

  test('plans as the quantizer does', async () => {
    const input = writeInput();
    const model = await quantizer.open(input);
    for (const options of [
      { bits: 8 },
      { type: 'Q8_0', architecture: 'none' },
      { type: 'F16', container: 'safetensors' },
    ]) {
      expect(await model.plan(options)).toEqual(await quantizer.plan(input, options));
    }
    await model.close();
  });

  test('refuses what there is not, and everything once it is closed', async () => {
    const model = await quantizer.open(writeInput());
    await expect(model.read('c.weight')).rejects.toMatchObject({ code: 'missing_tensor', layer: 'c.weight' });
    await expect(model.read('a.weight', { begin: 5, end: 4097 })).rejects.toMatchObject({ code: 'invalid_option' });
    await expect(model.plan({ bit: 4 })).rejects.toThrow(/did you mean "bits"/);
    await model.close();
    await model.close();
    await expect(model.read('a.weight')).rejects.toThrow(/has been closed/);
    await expect(model.plan()).rejects.toThrow(/has been closed/);
  });

  test('notices that the file is another one', async () => {
    const input = writeInput();
    const model = await quantizer.open(input);
    writeFileSync(folder.path('other'), modelFile(kTensors));
    writeFileSync(input, readFileSync(folder.path('other')));
    await expect(model.read('a.weight')).rejects.toMatchObject({ code: 'unreadable_input' });
    await model.close();
    const again = await quantizer.open(input);
    renameSync(folder.path('other'), input);
    await again.read('a.weight').catch(({ code }) => expect(code).toBe('unreadable_input'));
    await again.close();
  });

  test('a read that is aborted ends alone', async () => {
    let release;
    const held = new Promise((resolve) => {
      release = resolve;
    });
    const blob = new Blob([modelFile(kTensors)]);
    let stalls = false;
    const source = {
      size: blob.size,
      slice: (begin, end) => ({
        arrayBuffer: async () => {
          if (stalls) await held;
          return blob.slice(begin, end).arrayBuffer();
        },
      }),
    };
    const model = await quantizer.open(source);
    stalls = true;
    const controller = new AbortController();
    const first = model.read('a.weight', { signal: controller.signal });
    const second = model.read('b.weight');
    controller.abort();
    await expect(first).rejects.toMatchObject({ code: 'aborted' });
    release();
    expect(sameBytes(await second, floatsOf(kTensors[0]))).toBe(true);
    await model.close();
  });

  test('close waits for the reads that are under way', async () => {
    const model = await quantizer.open(writeInput());
    const reading = model.read('b.weight');
    const closing = model.close();
    expect(sameBytes(await reading, floatsOf(kTensors[0]))).toBe(true);
    await closing;
    rmSync(folder.path('in.safetensors'));
  });

  test('rejects as quantizeFile does for what it cannot open, and closes it', async () => {
    await expect(quantizer.open(folder.path('none.safetensors'))).rejects.toMatchObject({ code: 'unreadable_input' });
    await expect(quantizer.open(folder.write('bad.safetensors', 'not a model'))).rejects.toMatchObject({
      code: 'invalid_file',
    });
    await expect(quantizer.open(writeInput(), { sigal: null })).rejects.toThrow(/did you mean "signal"/);
    await expect(quantizer.open(writeInput(), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'aborted',
    });
  });

  test('ends with its quantizer', async () => {
    const own = await ArrowQuant.create({ threads: 1 });
    const model = await own.open(writeInput());
    const reading = model.read('b.weight');
    await own.dispose();
    await expect(reading).rejects.toMatchObject({ code: 'disposed' });
    await expect(model.read('a.weight')).rejects.toMatchObject({ code: 'disposed' });
    await model.close();
  });
});
