/** From any form to any other, in order to streams, interrupted and resumed: with what was added at either end. */
import { readFileSync, readdirSync } from 'node:fs';
import { WritableStream } from 'node:stream/web';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { useFolder } from '../js/support/models/folder.mjs';
import { float32Tensor, halfTensor, modelFile } from '../js/support/models/safetensors.mjs';
import { sameBytes } from '../js/support/weights.mjs';
import { restored } from './support/codecs.mjs';
import { importanceOf, kMatrices, kModel, weightsOf } from './support/models.mjs';
import { ArrowQuant } from './support/package.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ mode: 'base', threads: 2 });
});
afterAll(() => quantizer.dispose());

/** What there is to start from, and to come to. */
const kForms = {
  'F16 in safetensors': { file: 'f16.safetensors', options: { type: 'F16' } },
  'BF16 in a crate': { file: 'bf16.crate', options: { type: 'BF16' } },
  'blocks in a GGUF': { file: 'q5_0.gguf', options: { type: 'Q5_0', pure: true, architecture: 'none' } },
  'K blocks in a GGUF': { file: 'q4_k.gguf', options: { type: 'Q4_K', architecture: 'none' } },
  'blocks in a crate': { file: 'q8_0.crate', options: { type: 'Q8_0', layout: 'plain' } },
  'blocks in folders of safetensors': { file: 'q6_k.safetensors', options: { type: 'Q6_K', layout: 'folders' } },
  'int4 in planes': { file: 'int4.safetensors', options: { bits: 4, groupSize: 64 } },
  'int8 in folders of a crate': {
    ...{ file: 'int8.crate', options: { type: 'affine', bits: 8, groupSize: 'tensor', layout: 'folders' } },
  },
  'int4 in an Arrow file': { file: 'int4.arrow', options: { bits: 4, groupSize: 64 } },
  'F16 in an Arrow file': { file: 'f16.arrow', options: { type: 'F16' } },
  'row_signs in planes': { file: 'row_signs.safetensors', options: { type: 'row_signs' } },
  'row_signs in folders of a crate': { file: 'row_signs.crate', options: { type: 'row_signs', layout: 'folders' } },
};
const kNames = Object.keys(kForms);

test('rows that begin in the middle of a group of the source are what they are from floats, in every window', async () => {
  // Rows of 96 in groups of 128, over more than one window.
  const input = folder.write('rows.safetensors', modelFile([float32Tensor('a.weight', [12_000, 96], 5)]));
  const [levels, floats] = [folder.path('int4.safetensors'), folder.path('floats.safetensors')];
  await quantizer.quantizeFile(input, levels, { bits: 4, groupSize: 128 });
  await quantizer.quantizeFile(levels, floats, { type: 'F32' });
  const [direct, around] = [folder.path('direct.crate'), folder.path('around.crate')];
  await quantizer.quantizeFile(levels, direct, { type: 'row_signs' });
  await quantizer.quantizeFile(floats, around, { type: 'row_signs' });
  expect(
    sameBytes(await quantizer.readTensor(direct, 'a.weight'), await quantizer.readTensor(around, 'a.weight')),
  ).toBe(true);
});

test.each(kNames)('%s becomes every other', async (first) => {
  const source = folder.write('source.safetensors', kModel);
  const from = folder.path(`from-${kForms[first].file}`);
  await quantizer.quantizeFile(source, from, kForms[first].options);
  const model = await quantizer.open(from);
  for (const second of kNames) {
    const { file, options } = kForms[second];
    const to = folder.path(`to-${file}`);
    const report = await quantizer.quantizeFile(from, to, options);
    const again = await quantizer.open(to);
    for (const { name, shape, to: label, kept } of report.tensors) {
      if (label === 'I32') continue;
      expect(again.tensors.find((one) => one.name === name)).toMatchObject({ type: label, shape });
      const data = await model.read(name);
      const wanted = kept ? data : await restored(quantizer, { data, shape }, label);
      const same = sameBytes(await again.read(name), wanted);
      expect({ name, second, same }).toEqual({ name, second, same: true });
    }
    // What nobody quantizes has come through both unchanged.
    expect(again.tensors.find(({ name }) => name === 'positions')).toMatchObject({ type: 'I32', shape: [5] });
    await again.close();
  }
  await model.close();
});

test('what was added is kept as it is where the output can hold it, and restored where it cannot', async () => {
  const source = folder.write('source.safetensors', kModel);
  const [added, other, folders, ggml] = ['a.safetensors', 'b.crate', 'c.crate', 'd.gguf'].map(folder.path);
  await quantizer.quantizeFile(source, added, { type: 'row_signs' });
  const rules = [['full', 'keep']];
  const name = 'layers.0.full.weight';
  const reportOf = async (output, options) => {
    const { tensors } = await quantizer.quantizeFile(added, output, { ...options, rules });
    return tensors.find((one) => one.name === name);
  };
  expect(await reportOf(other, { bits: 8 })).toMatchObject({ to: 'row_signs', kept: true });
  expect(await reportOf(folders, { bits: 8, layout: 'folders' })).toMatchObject({ to: 'row_signs', kept: true });
  expect(await reportOf(ggml, { type: 'Q8_0', architecture: 'none' })).toMatchObject({ to: 'F32', kept: false });
  const wanted = await quantizer.readTensor(added, name);
  for (const file of [other, folders, ggml])
    expect(sameBytes(await quantizer.readTensor(file, name), wanted)).toBe(true);
});

test('any range of a tensor can be read, files can be inspected, compared and restored', async () => {
  const source = folder.write('source.safetensors', kModel);
  const file = folder.path('output.crate');
  const report = await quantizer.quantizeFile(source, file, { type: 'row_signs', layout: 'folders' });
  const [, { name }] = kMatrices;
  const all = await quantizer.readTensor(file, name);
  for (const [begin, end] of [
    [0, 1],
    [31, 33],
    [37, 301],
    [511, 1025],
    [all.length - 1, all.length],
  ]) {
    expect(sameBytes(await quantizer.readTensor(file, name, { begin, end }), all.slice(begin, end))).toBe(true);
  }
  const inspection = await quantizer.inspectFile(file);
  expect(inspection).toMatchObject({ container: 'crate', files: [file], metadata: { title: 'a model' } });
  expect(Object.keys(inspection.metadata)).toEqual(['title']);
  expect(inspection.tensors.find((one) => one.name === name)).toMatchObject({ type: 'row_signs', dtype: 'F16' });
  const { tensors, onlyInA, onlyInB, reshaped } = await quantizer.compareFiles(source, file);
  expect([onlyInA, onlyInB, reshaped]).toEqual([[], [], []]);
  for (const { name: compared, rmse } of tensors) {
    const told = report.tensors.find((one) => one.name === compared);
    if (!told.kept) expect(rmse).toBeCloseTo(told.rmse, 9);
  }
  const restoredFile = folder.path('restored.safetensors');
  await quantizer.dequantizeFile(file, restoredFile, { dtype: 'F32' });
  expect(sameBytes(await quantizer.readTensor(restoredFile, name), all)).toBe(true);
});

/** One tensor is of more than one window. */
const kStreamed = modelFile([
  halfTensor('big.weight', [3, 400_000], 1),
  float32Tensor('x.weight', [3, 160], 2),
  float32Tensor('x.bias', [160], 3),
]);

test.each(['safetensors', 'crate'])('a stream takes a %s in order', async (container) => {
  const source = folder.write('source.safetensors', kStreamed);
  const importance = { 'big.weight': importanceOf(400_000) };
  for (const layout of ['planes', 'folders']) {
    const options = { type: 'row_signs', container, layout, importance, effort: 'better' };
    const pieces = [];
    const stream = new WritableStream({ write: (piece) => void pieces.push(Buffer.from(piece)) });
    await quantizer.quantizeFile(source, stream, options);
    const streamed = folder.write('streamed', Buffer.concat(pieces));
    const written = folder.path(`written.${container}`);
    await quantizer.quantizeFile(source, written, options);
    for (const name of ['big.weight', 'x.weight']) {
      const values = await quantizer.readTensor(streamed, name);
      expect(sameBytes(values, await quantizer.readTensor(written, name))).toBe(true);
    }
  }
});

test('one file has tensors of several codecs, with importance for those that use it', async () => {
  const source = folder.write('source.safetensors', kModel);
  const [, half] = kMatrices;
  const importance = { [half.name]: importanceOf(512) };
  const options = { bits: 4, rules: [['half', 'row_signs']], importance, effort: 'better' };
  for (const name of ['output.safetensors', 'output.crate']) {
    for (const layout of ['planes', 'folders']) {
      const output = folder.path(name);
      const { tensors } = await quantizer.quantizeFile(source, output, { ...options, layout });
      for (const { name: tensor } of kMatrices) {
        const { to } = tensors.find((one) => one.name === tensor);
        expect(to).toBe(tensor === half.name ? 'row_signs' : 'int4 tensor');
      }
      const wanted = await restored(quantizer, weightsOf(half), 'row_signs', {
        ...{ importance: importance[half.name], effort: 'better' },
      });
      expect(sameBytes(await quantizer.readTensor(output, half.name), wanted)).toBe(true);
    }
  }
});

test('the new layout is in every file of a split model', async () => {
  const tensors = [1, 2, 3].map((seed) => halfTensor(`layer.${seed}.weight`, [512, 1024], seed));
  const source = folder.write('source.safetensors', modelFile(tensors));
  const options = { bits: 8, groupSize: 128, layout: 'folders', splitSize: 1.2e6 };
  const { files } = await quantizer.quantizeFile(source, folder.path('output.safetensors'), options);
  expect(files).toHaveLength(3);
  expect(folder.list()).toContain('output-00001-of-00002.safetensors');
  const index = folder.path('output.safetensors.index.json');
  for (const tensor of tensors) {
    const wanted = await restored(quantizer, weightsOf(tensor), 'int8 g128');
    expect(sameBytes(await quantizer.readTensor(index, tensor.name), wanted)).toBe(true);
  }
});

test('a crate is not split', async () => {
  const source = folder.write('source.safetensors', kModel);
  const call = quantizer.quantizeFile(source, folder.path('output.crate'), { type: 'row_signs', splitSize: 1e6 });
  await expect(call).rejects.toMatchObject({ code: 'invalid_option', message: expect.stringContaining('one file') });
});

describe('resuming', () => {
  /** Read one by one: none of them goes into a bundle. */
  const kTensors = Array.from({ length: 6 }, (_, i) => halfTensor(`layer.${i}.weight`, [512, 256], i + 1));
  const importanceWith = (seed) => Object.fromEntries(kTensors.map(({ name }) => [name, importanceOf(256, seed)]));

  /** Ends a conversion when it tells of its third tensor. */
  async function interrupt(source, output, options) {
    const controller = new AbortController();
    const finished = [];
    const onTensor = ({ name }) => {
      finished.push(name);
      if (finished.length === 3) controller.abort();
    };
    const call = quantizer.quantizeFile(source, output, {
      ...{ ...options, resume: true, onTensor, signal: controller.signal, memoryLimit: 2 ** 24 },
    });
    await expect(call).rejects.toMatchObject({ code: 'aborted' });
    return finished;
  }

  test('goes on only with the same importance and effort', async () => {
    const source = folder.write('source.safetensors', modelFile(kTensors));
    const output = folder.path('output.crate');
    const options = { type: 'row_signs', importance: importanceWith(1), effort: 'better' };
    const others = [
      { ...options, importance: importanceWith(2) },
      { ...options, effort: 'reference' },
      { ...options, importance: { ...options.importance, 'layer.0.weight': importanceOf(256, 3) } },
      options,
    ];
    for (const other of others) {
      await interrupt(source, output, options);
      expect(readdirSync(folder.at).some((name) => name.includes('.arrowquant-'))).toBe(true);
      await quantizer.quantizeFile(source, output, { ...other, resume: true });
      const resumed = readFileSync(output);
      await quantizer.quantizeFile(source, output, other);
      expect(resumed.equals(readFileSync(output))).toBe(true);
      expect(folder.list()).toEqual(['output.crate', 'source.safetensors']);
    }
  });
});
