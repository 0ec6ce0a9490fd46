import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { readGguf } from '../../peers/tiny-llama.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { imatrixGguf, seededEntries } from '../support/models/imatrix.mjs';
import { kWideCheckpoints, writeWide } from './support/checkpoint.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

async function converted(input, name, options) {
  const output = folder.path(name);
  const report = await quantizer.quantizeFile(input, output, { durability: 'none', metrics: false, ...options });
  return { output, report, file: readFileSync(output) };
}

test.each(kWideCheckpoints)('the matrix of a GGUF serves its checkpoint: $name', async (wide) => {
  const { input, options } = writeWide(wide, folder.path('model'));
  const between = await converted(input, 'between.gguf', { ...options, type: 'F16' });
  const imatrix = folder.write('imatrix.gguf', imatrixGguf(seededEntries(readGguf(between.file))));
  const twice = await converted(between.output, 'twice.gguf', { type: 'Q4_K_M', imatrix });
  const once = await converted(input, 'once.gguf', { ...options, type: 'Q4_K_M', via: 'F16', imatrix });
  expect(once.file.equals(twice.file)).toBe(true);
  expect(readGguf(once.file).keyValues.get('quantize.imatrix.file')).toBe(imatrix);
  const without = await converted(input, 'without.gguf', { ...options, type: 'Q4_K_M', via: 'F16' });
  expect(once.file.equals(without.file)).toBe(false);
});

test("has no effect on what llama.cpp's converter writes itself, which is told", async () => {
  const [wide] = kWideCheckpoints;
  const { input, options } = writeWide(wide, folder.path('model'));
  const plain = await converted(input, 'plain.gguf', { ...options, type: 'F16' });
  const imatrix = folder.write('imatrix.gguf', imatrixGguf(seededEntries(readGguf(plain.file))));
  const { file, report } = await converted(input, 'out.gguf', { ...options, type: 'F16', imatrix });
  expect(file.equals(plain.file)).toBe(true);
  expect(report.warnings).toContainEqual({
    code: 'importance_unused',
    message: expect.stringContaining('no type of the output uses importance'),
  });
});

test('what is made with effort or a matrix says so in a file that the converter writes itself, too', async () => {
  const [wide] = kWideCheckpoints;
  const { input, options } = writeWide(wide, folder.path('model'));
  const plain = await converted(input, 'plain.gguf', { ...options, type: 'Q8_0' });
  const imatrix = folder.write('imatrix.gguf', imatrixGguf(seededEntries(readGguf(plain.file))));
  const { file } = await converted(input, 'out.gguf', { ...options, type: 'Q8_0', effort: 'best', imatrix });
  const said = readGguf(file).keyValues;
  expect(said.get('arrowquant.effort')).toBe('best');
  expect(said.get('quantize.imatrix.file')).toBe(imatrix);
  const others = [...said].filter(([key]) => !/^arrowquant\.|^quantize\./u.test(key));
  expect(others).toEqual([...readGguf(plain.file).keyValues]);
});
