import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, truncateSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { ggufFile, tinyLlama } from '../../../peers/tiny-llama.mjs';
import { useFolder } from '../../support/models/folder.mjs';
import { writeModelFolder } from '../../support/models/model-folder.mjs';
import { halfTensor, modelFile } from '../../support/models/safetensors.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const kGguf = ggufFile(tinyLlama({ layers: 3 }));
const kOptions = { type: 'Q8_0', splitSize: 1e6, metrics: false };
const nameOf = (part, count = 3) => `out-0000${part}-of-0000${count}.gguf`;

/** Writes parts of a GGUF that has three of them; each manifest is a second older than the next one. */
async function writeParts(numbers, more, at = 1000) {
  const input = folder.write('in.gguf', kGguf);
  for (const [index, part] of numbers.entries()) {
    const report = await quantizer.quantizeFile(input, folder.path('out.gguf'), { ...kOptions, ...more, part });
    utimesSync(report.part.manifest, at + index, at + index);
  }
}

const verify = (options) => quantizer.verifyFiles(folder.path('out.gguf'), options);
const part = (number, kind, says) => ({ part: number, kind, detail: expect.stringMatching(says) });

test('an output that is whole is listed with its files, in order', async () => {
  await writeParts([3, 1, 2]);
  // Another output in the same folder is none of its parts, whatever it is called.
  folder.write('out-2-00001-of-00003.gguf.part.json', '{}');
  folder.write('out.gguf2.part.json', '{}');
  const report = await verify();
  expect(report).toMatchObject({ output: folder.path('out.gguf'), whole: true, parts: 3, rerun: [], problems: [] });
  expect(report.files.map(({ name }) => name)).toEqual([nameOf(1), nameOf(2), nameOf(3)]);
  expect(report.bytes).toBe([1, 2, 3].reduce((sum, one) => sum + readFileSync(folder.path(nameOf(one))).length, 0));
});

describe('parts are to be written again', () => {
  test('that are not there, or were not finished', async () => {
    await writeParts([2]);
    // A run that was killed between the file and its manifest.
    folder.write(nameOf(3), 'unfinished');
    expect(await verify()).toMatchObject({
      ...{ whole: false, parts: 3, rerun: [1, 3], problems: [part(1, 'missing', /./), part(3, 'missing', /./)] },
    });
  });

  test.each([
    ['is gone', (file) => unlinkSync(file), /out-00002-of-00003\.gguf is not there/],
    ['is too short', (file) => truncateSync(file, 5), /has 5 bytes, not \d+/],
    ['has other bytes', (file) => writeFileSync(file, readFileSync(file).fill(3, 9000, 9001)), /other bytes/],
  ])('whose file %s', async (_, spoil, says) => {
    await writeParts([1, 2, 3]);
    spoil(folder.path(nameOf(2)));
    expect(await verify()).toMatchObject({ whole: false, rerun: [2], problems: [part(2, 'damaged', says)] });
    await writeParts([2]);
    expect((await verify()).whole).toBe(true);
  });

  test('that were made with other options than the one that was written last', async () => {
    await writeParts([1, 2, 3]);
    await writeParts([2], { effort: 'better' }, 2000);
    const { rerun, problems, files } = await verify();
    expect(rerun).toEqual([1, 3]);
    const says = /made of another input, or with other options, than part 2 of 3, which is newer/;
    expect(problems).toEqual([part(1, 'foreign', says), part(3, 'foreign', says)]);
    expect(files.map(({ name }) => name)).toEqual([nameOf(2)]);
    await writeParts(rerun, { effort: 'better' }, 3000);
    expect((await verify()).whole).toBe(true);
  });

  test('that were made before the input has changed', async () => {
    const tensors = (seed) =>
      ['a', 'b', 'c'].map((name, index) => halfTensor(`${name}.weight`, [1024, 1024], seed + index));
    const convert = async (seed, number) => {
      const input = folder.write('in.safetensors', modelFile(tensors(seed)));
      const options = { bits: 8, splitSize: 15e5, metrics: false, part: number };
      const report = await quantizer.quantizeFile(input, folder.path('out.safetensors'), options);
      utimesSync(report.part.manifest, seed * 100 + number, seed * 100 + number);
    };
    for (const number of [1, 2, 3]) await convert(1, number);
    await convert(50, 2);
    expect(await quantizer.verifyFiles(folder.path('out.safetensors'))).toMatchObject({ rerun: [1, 3] });
  });

  test('and those of another number of parts are for the user to delete', async () => {
    await writeParts([1, 2], { splitSize: 11e5 });
    await writeParts([1, 2, 3], {}, 2000);
    const { whole, rerun, problems } = await verify();
    expect([whole, rerun]).toEqual([false, []]);
    expect(problems).toHaveLength(2);
    expect(problems).toContainEqual(part(null, 'foreign', /^out-00001-of-00002\.gguf was made .*; delete it$/));
    for (const one of [1, 2]) rmSync(folder.path(`${nameOf(one, 2)}.part.json`));
    expect((await verify()).whole).toBe(true);
  });
});

test.each([
  ['no JSON', () => '{'],
  ['another version', (text) => text.replace('"manifest": 1', '"manifest": 2')],
  ['a file elsewhere', (text) => text.replace('"name": "', '"name": "../')],
  ['a number beyond the last', (text) => text.replace('"part": 1', '"part": 7')],
  ['more parts than names have numbers for', (text) => text.replace('"parts": 3', '"parts": 100000')],
  ['as many parts as numbers go', (text) => text.replace('"parts": 3', '"parts": 9007199254740991')],
  ['the folder as a file', (text) => text.replace('"files": [', '"files": [{"name":".","bytes":1,"sha256":"x"},')],
  ['its parent', (text) => text.replace(/("files": \[[^]*?\})/, '$1,{"name":"..","bytes":1,"sha256":"x"}')],
  ['the name of another part', (text) => text.replaceAll('out-00001', 'out-00002')],
])('a manifest with %s is none', async (_, spoil) => {
  await writeParts([1, 2, 3]);
  const manifest = folder.path(`${nameOf(1)}.part.json`);
  writeFileSync(manifest, spoil(readFileSync(manifest, 'utf8')));
  const { whole, rerun, problems } = await verify();
  expect([whole, rerun]).toEqual([false, [1]]);
  expect(problems).toEqual([
    part(1, 'missing', /./),
    part(null, 'damaged', /is no manifest, or one of another version/),
  ]);
});

test.each([
  ['a folder', (file) => mkdirSync(file), /Cannot read .*: it is a folder/],
  ['a pipe', (file) => execFileSync('mkfifo', [file]), /Cannot read .*: it is not a regular file/],
])('%s in place of a file, or of a manifest, is told like any damage', async (_, make, says) => {
  await writeParts([1, 2, 3]);
  unlinkSync(folder.path(nameOf(1)));
  make(folder.path(nameOf(1)));
  unlinkSync(folder.path(`${nameOf(3)}.part.json`));
  make(folder.path(`${nameOf(3)}.part.json`));
  const { whole, rerun, problems } = await verify();
  expect([whole, rerun]).toEqual([false, [1, 3]]);
  expect(problems).toEqual([part(1, 'damaged', says), part(3, 'missing', /./), part(null, 'damaged', says)]);
});

test('a manifest that is far too long is told, and the others count', async () => {
  await writeParts([1, 2, 3]);
  truncateSync(folder.path(`${nameOf(2)}.part.json`), 2 ** 20 + 1);
  const { rerun, problems } = await verify();
  expect(rerun).toEqual([2]);
  expect(problems).toEqual([part(2, 'missing', /./), part(null, 'damaged', /out-00002.*has 1048577 bytes/)]);
});

test('a great many parts are listed', async () => {
  await writeParts([1]);
  const manifest = folder.path(`${nameOf(1)}.part.json`);
  writeFileSync(manifest, readFileSync(manifest, 'utf8').replace('"parts": 3', '"parts": 99999'));
  expect((await verify()).rerun).toHaveLength(99998);
});

test('the output may be named by one of its files', async () => {
  await writeParts([1, 3]);
  for (const name of [nameOf(1), nameOf(2)]) {
    const report = await quantizer.verifyFiles(folder.path(name));
    expect(report).toMatchObject({ output: folder.path('out.gguf'), parts: 3, rerun: [2] });
  }
  const tensors = ['a', 'b'].map((name, index) => halfTensor(`${name}.weight`, [1024, 1024], index + 1));
  const input = folder.write('in.safetensors', modelFile(tensors));
  const options = { bits: 8, splitSize: 15e5, metrics: false };
  for (const number of [1, 2]) {
    await quantizer.quantizeFile(input, folder.path('it.safetensors'), { ...options, part: number });
  }
  for (const name of ['it.safetensors.index.json', 'it-00001-of-00002.safetensors']) {
    const report = await quantizer.verifyFiles(folder.path(name), { removeManifests: false });
    expect(report).toMatchObject({ output: folder.path('it.safetensors'), whole: true, parts: 2 });
  }
});

test('manifests are removed when all is whole, and not before', async () => {
  await writeParts([1, 2]);
  await verify({ removeManifests: true });
  expect(folder.list()).toContain(`${nameOf(1)}.part.json`);
  await writeParts([3]);
  await verify({ removeManifests: true });
  expect(folder.list()).toEqual(['in.gguf', nameOf(1), nameOf(2), nameOf(3)]);
  await expect(verify()).rejects.toMatchObject({ code: 'unreadable_input', file: folder.path('out.gguf') });
});

test('a folder is opened as what it is, with manifests in it', async () => {
  const tensors = ['a', 'b'].map((name, index) => halfTensor(`${name}.weight`, [2048, 1024], index + 1));
  const input = writeModelFolder(folder.path('in'), tensors, { model_type: 'llama' });
  const options = { format: 'mlx', architecture: 'none', bits: 8, splitSize: 24e5 };
  for (const number of [2, 1]) await quantizer.quantizeFile(input, folder.path('out'), { ...options, part: number });
  expect(await quantizer.verifyFiles(folder.path('out'))).toMatchObject({ whole: true, parts: 2 });
  const { tensors: inside } = await quantizer.inspectFile(folder.path('out'));
  expect(inside.map(({ name }) => name)).toEqual(['a.weight', 'b.weight']);
});

test('what is no path, and what has been aborted, is refused', async () => {
  await expect(quantizer.verifyFiles('')).rejects.toMatchObject({ code: 'invalid_option' });
  await expect(quantizer.verifyFiles(new Uint8Array(3))).rejects.toMatchObject({ code: 'invalid_option' });
  await expect(verify({ removeManifest: true })).rejects.toThrow('removeManifests');
  await expect(verify({ removeManifests: 'yes' })).rejects.toMatchObject({ code: 'invalid_option' });
  await writeParts([1, 2, 3]);
  await expect(verify({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' });
});
