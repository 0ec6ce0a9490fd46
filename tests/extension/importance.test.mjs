/** Importance, effort and whole rows, with the codec that was added: in files of every form, by every backend. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { useFolder } from '../js/support/models/folder.mjs';
import { bfloatTensor, float32Tensor, halfTensor, modelFile } from '../js/support/models/safetensors.mjs';
import { sameBytes } from '../js/support/weights.mjs';
import { importanceOf, weightsOf } from './support/models.mjs';
import { ArrowQuant } from './support/package.mjs';
import { expectRefusal } from './support/refusals.mjs';
import { throughRowSigns } from './support/row-signs.mjs';

const folder = useFolder();

/** Rows of all lengths: of one block, of a piece and more, of a chunk and more, of many windows that they do not fill. */
const kTensors = [
  float32Tensor('one.weight', [5, 32], 1),
  float32Tensor('f32.weight', [7, 4128], 2),
  halfTensor('f16.weight', [9, 5024], 3),
  bfloatTensor('bf16.weight', [3, 2, 4096], 4),
  halfTensor('long.weight', [2, 131_104], 5),
  float32Tensor('windows.weight', [5, 300_000], 6),
  halfTensor('window.weight', [1, 1_048_576], 7),
  ...Array.from({ length: 40 }, (_, i) => halfTensor(`small.${i}.weight`, [3, 96], 10 + i)),
];
const kModel = modelFile(kTensors);
const kOptions = { type: 'row_signs' };

const columnsOf = ({ shape }) => shape.at(-1);
/** Not for all tensors. */
const kImportance = new Map(
  kTensors
    .filter(({ name }) => !/^(?:f32|small\.[0-9]\.)/u.test(name))
    .map((tensor, i) => [tensor.name, importanceOf(columnsOf(tensor), i + 1)]),
);

const kWeights = new Map(kTensors.map((tensor) => [tensor.name, weightsOf(tensor)]));
/** What was worked out for one backend is the same for the others. */
const known = new Map();

function expected({ name }, effort, importance) {
  const key = `${name} ${effort} ${importance !== undefined}`;
  const { data, shape } = kWeights.get(name);
  if (!known.has(key)) known.set(key, throughRowSigns(data, shape.at(-1), { effort, importance }));
  return known.get(key);
}

const rootMeanSquare = (a, b) => Math.sqrt(a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0) / a.length);

describe.each([{ backend: 'threads', threads: 3 }, { backend: 'workers', threads: 2 }, { backend: 'single' }])(
  'with the backend $backend',
  ({ backend, threads }) => {
    let quantizer;
    beforeAll(async () => {
      quantizer = await ArrowQuant.create({ mode: 'base', backend, ...(threads && { threads }) });
    });
    afterAll(() => quantizer.dispose());

    async function convert(options, name) {
      const source = folder.write('source.safetensors', kModel);
      return quantizer.quantizeFile(source, folder.path(name), { ...kOptions, ...options });
    }

    /** All tensors are what the codec's definition makes of them. */
    async function check(file, report, { effort = 'reference', importance }) {
      const model = await quantizer.open(file);
      for (const tensor of kTensors) {
        const { name } = tensor;
        const wanted = expected(tensor, effort, importance?.get(name));
        const same = sameBytes(await model.read(name), wanted);
        expect({ name, same }).toEqual({ name, same: true });
        const { to, rmse } = report.tensors.find((one) => one.name === name);
        expect(to).toBe('row_signs');
        expect(rmse).toBeCloseTo(rootMeanSquare(kWeights.get(name).data, wanted), 6);
      }
      await model.close();
    }

    test.each([
      { layout: 'planes', file: 'a.safetensors', effort: 'reference' },
      { layout: 'folders', file: 'b.safetensors', effort: 'better' },
      { layout: 'planes', file: 'c.crate', effort: 'better' },
      { layout: 'folders', file: 'd.crate', effort: 'reference' },
    ])('rows are encoded with their importance: $layout, $file, effort $effort', async ({ layout, file, effort }) => {
      const report = await convert({ layout, effort, importance: kImportance }, file);
      await check(folder.path(file), report, { effort, importance: kImportance });
    });

    test('without importance all columns count the same', async () => {
      const report = await convert({}, 'output.crate');
      await check(folder.path('output.crate'), report, {});
    });
  },
);

describe('what the call refuses', () => {
  let quantizer;
  beforeAll(async () => {
    quantizer = await ArrowQuant.create({ mode: 'base', threads: 2 });
  });
  afterAll(() => quantizer.dispose());

  const kSmall = modelFile([float32Tensor('x.weight', [4, 64]), float32Tensor('x.bias', [64])]);
  const columns = importanceOf(64);
  const withValue = (value) => columns.map((one, i) => (i === 9 ? value : one));

  async function refuse(options, text) {
    const source = folder.write('source.safetensors', kSmall);
    const output = folder.path('output.safetensors');
    await expectRefusal(quantizer.quantizeFile(source, output, { ...kOptions, ...options }), text);
    await expectRefusal(quantizer.plan(source, { ...kOptions, container: 'safetensors', ...options }), text);
    expect(folder.list()).toEqual(['source.safetensors']);
  }

  test.each([
    ['a name that no tensor has', { importance: { 'y.weight': columns } }, /"y\.weight", but the model has no tensor/u],
    ['too few values', { importance: { 'x.weight': columns.slice(1) } }, /63 values, a row has 64 weights/u],
    ['NaN', { importance: { 'x.weight': withValue(NaN) } }, /value 9 of its importance is NaN/u],
    ['an infinity', { importance: [['x.weight', withValue(Infinity)]] }, /value 9 of its importance is Infinity/u],
    ['a negative value', { importance: new Map([['x.weight', withValue(-1)]]) }, /value 9 of its importance is -1/u],
    ['no array of floats', { importance: { 'x.weight': [...columns] } }, /"x\.weight" is no Float32Array/u],
    ['no importance at all', { importance: 3 }, /importance/u],
    ['importance for affine levels', { type: 'affine', importance: { 'x.weight': columns } }, /no meaning for int4/u],
    ['importance for F16', { type: 'F16', importance: { 'x.weight': columns } }, /importance has no meaning for F16/u],
    ['effort for affine levels', { type: 'affine', effort: 'better' }, /effort better has no meaning for int4/u],
    [
      'what only whole files of llama.cpp have',
      { pure: true },
      /pure has no meaning, because the output is row_signs;/u,
    ],
    ['an unknown effort', { effort: 'more' }, /effort is "more"/u],
    ['an unknown layout', { layout: 'shelf' }, /"shelf", must be "columns" or "planes" or "folders" or "plain"/u],
    ['an unknown container', { container: 'box' }, /"box", must be "safetensors" or "gguf" or "arrow" or "crate"/u],
  ])('%s', (_, options, text) => refuse(options, text));

  test('a container that contradicts the name of the output', async () => {
    const source = folder.write('source.safetensors', kSmall);
    const call = quantizer.quantizeFile(source, folder.path('output.gguf'), { ...kOptions, container: 'crate' });
    await expectRefusal(call, /"crate", but the name of the output ends with \.gguf/u);
  });

  test('the same in a GGUF, which has no room for planes', async () => {
    const source = folder.write('source.safetensors', kSmall);
    const options = { ...kOptions, importance: { 'x.weight': columns } };
    await expectRefusal(quantizer.quantizeFile(source, folder.path('output.gguf'), options), /row_signs/u);
    const rules = [['x', 'row_signs']];
    await expectRefusal(quantizer.quantizeFile(source, folder.path('output.gguf'), { rules }), /row_signs/u);
    expect(folder.list()).toEqual(['source.safetensors']);
  });

  test('rows that are no whole blocks, or too long for a window, stay as they are', async () => {
    const tensors = [float32Tensor('odd.weight', [4, 40]), halfTensor('endless.weight', [2, 2 ** 20 + 32])];
    const source = folder.write('source.safetensors', modelFile(tensors));
    const { tensors: reports } = await quantizer.quantizeFile(source, folder.path('output.crate'), kOptions);
    expect(reports).toMatchObject([
      { name: 'endless.weight', to: 'F16', kept: true, rule: expect.stringContaining('longer than 1048576') },
      { name: 'odd.weight', to: 'F32', kept: true, rule: expect.stringContaining('blocks of 32') },
    ]);
  });

  test('the first weight that is not finite, and scales that are too large', async () => {
    const tensor = float32Tensor('x.weight', [4, 64]);
    const broken = (index, value) => {
      const bytes = Buffer.from(tensor.bytes);
      bytes.writeFloatLE(value, index * 4);
      return modelFile([{ ...tensor, bytes }]);
    };
    const failing = (contents) =>
      quantizer.quantizeFile(folder.write('source.safetensors', contents), folder.path('output.crate'), kOptions);
    for (const value of [NaN, Infinity, -Infinity]) {
      await expect(failing(broken(70, value))).rejects.toMatchObject({
        ...{ code: 'not_finite', layer: 'x.weight', index: 70 },
      });
    }
    const wholeRow = Buffer.from(tensor.bytes);
    for (let i = 128; i < 192; ++i) wholeRow.writeFloatLE(3e38, i * 4);
    await expect(failing(modelFile([{ ...tensor, bytes: wholeRow }]))).rejects.toMatchObject({
      ...{ code: 'scale_overflow', layer: 'x.weight', index: 128 },
    });
    expect(folder.list()).toEqual(['source.safetensors']);
  });

  test('effort and importance change what is written', async () => {
    const source = folder.write('source.safetensors', kSmall);
    const searches = [{}, { effort: 'better' }, { importance: { 'x.weight': columns } }];
    const files = [];
    for (const search of searches) {
      await quantizer.quantizeFile(source, folder.path('output.crate'), { ...kOptions, ...search });
      files.push(readFileSync(folder.path('output.crate')).toString('latin1'));
    }
    expect(new Set(files).size).toBe(files.length);
    expect(new Set(files.map(({ length }) => length)).size).toBe(1);
  });
});
