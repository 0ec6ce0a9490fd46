import { File } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { openLlamaModels } from '../../peers/llama-model.mjs';
import { ggufFile, readGguf, tinyLlama } from '../../peers/tiny-llama.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { digestOf } from '../support/models/gguf-models.mjs';
import { answer, useServers } from '../runtime/support/server.mjs';
import { imatrixDat, imatrixGguf, seededEntries, valuesOf } from '../support/models/imatrix.mjs';

const llama = openLlamaModels();
const folder = useFolder();
const servers = useServers();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const kDense = tinyLlama({ layers: 1, seed: 4 });
const kExperts = tinyLlama({ layers: 1, experts: 4, hidden: 256, seed: 5 });

/** The model's file, and what becomes of it. */
async function ours(model, options, more = {}) {
  const input = folder.write('in.gguf', ggufFile({ ...model, ...more }));
  const output = folder.path('ours.gguf');
  const report = await quantizer.quantizeFile(input, output, { metrics: false, ...options });
  return { report, file: readFileSync(output) };
}

const pairsOf = (file) => [...readGguf(file).keyValues];
const aboutImportance = (file) => pairsOf(file).filter(([key]) => key.startsWith('quantize.'));
const weightsOf = (file) => readGguf(file).tensors.map(({ bytes, ...tensor }) => [tensor, digestOf(bytes)]);

/** One for each kind of block, and some that mix otherwise with a matrix. */
const kTypes = [
  ...['F16', 'Q8_0', 'Q4_0', 'Q5_1', 'Q2_K', 'Q2_K_S', 'Q3_K_M', 'Q4_K_M', 'Q5_K_M', 'Q6_K', 'MXFP4_MOE', 'TQ2_0'],
  // Those of one and two bits with larger grids take llama.cpp seconds to make.
  ...['IQ2_XXS', 'IQ3_XXS', 'IQ3_M', 'IQ4_NL', 'IQ4_XS'],
];

/** What llama-quantize has its library write. */
const keysOf = (file, { dataset, entries, chunks }) => [
  ['quantize.imatrix.file', 'str', file],
  ...(dataset === undefined ? [] : [['quantize.imatrix.dataset', 'str', dataset]]),
  ['quantize.imatrix.entries_count', 'int', entries],
  ...(chunks === undefined ? [] : [['quantize.imatrix.chunks_count', 'int', chunks]]),
];

describe.each([
  ['a dense model', kDense],
  ['a model of experts', kExperts],
])('%s', (_, model) => {
  const entries = seededEntries(model);
  const importance = valuesOf(entries);

  test.each(kTypes)('becomes the file of %s that llama.cpp makes with the same matrix, byte for byte', async (type) => {
    const imatrix = folder.write('imatrix.gguf', imatrixGguf(entries));
    const { file } = await ours(model, { type, imatrix });
    const keys = { dataset: 'wiki.train.raw', entries: entries.length, chunks: 4 };
    expect(aboutImportance(file)).toEqual(keysOf(imatrix, keys).map(([key, , value]) => [key, value]));
    if (llama === null) return;
    const output = folder.path('theirs.gguf');
    llama.quantize(folder.path('in.gguf'), output, { type, importance, overrides: keysOf(imatrix, keys) });
    expect(pairsOf(file)).toEqual(pairsOf(readFileSync(output)));
    expect(file.equals(readFileSync(output))).toBe(true);
  });
});

const kEntries = seededEntries(kDense);
const kType = { type: 'Q4_K_M' };

test('the same values from a .dat, from bytes and from a server make the same weights', async () => {
  const dat = kEntries.map(([name, { sums, counts }]) => [name, { sums, chunks: counts[0] }]);
  const gguf = imatrixGguf(kEntries);
  const server = await servers.serve((request, response) => {
    answer(request, response, gguf);
  });
  const { file: first } = await ours(kDense, { ...kType, imatrix: folder.write('imatrix.gguf', gguf) });
  const plain = (await ours(kDense, kType)).file;
  expect(weightsOf(first)).not.toEqual(weightsOf(plain));
  const old = folder.write('old.dat', imatrixDat(dat));
  const newer = folder.write('newer.dat', imatrixDat(dat, { chunks: 7, dataset: 'a.txt' }));
  for (const [imatrix, name, dataset, chunks] of [
    [old, old],
    [newer, newer, 'a.txt', 7],
    [new Uint8Array(gguf), 'the bytes', 'wiki.train.raw', 4],
    [new File([gguf], 'my imatrix'), 'my imatrix', 'wiki.train.raw', 4],
    [server.url('/imatrix.gguf?token=secret'), server.url('/imatrix.gguf'), 'wiki.train.raw', 4],
  ]) {
    const { file } = await ours(kDense, { ...kType, imatrix });
    expect(weightsOf(file)).toEqual(weightsOf(first));
    const keys = keysOf(name, { dataset, entries: kEntries.length, chunks });
    expect(aboutImportance(file)).toEqual(keys.map(([key, , value]) => [key, value]));
  }
});

test('texts in keys are cut to whole characters of 127 bytes, and replace those of the input', async () => {
  const keyValues = [
    ['quantize.imatrix.file', 'string', 'old'],
    ['quantize.imatrix.dataset', 'string', 'old'],
    ['quantize.imatrix.chunks_count', 'int32', 3],
    ...kDense.keyValues,
  ];
  const long = imatrixGguf(kEntries, { datasets: [`${'ä'.repeat(64)}.txt`, 'more'], chunks: 0 });
  const { file } = await ours(kDense, { ...kType, imatrix: new Uint8Array(long) }, { keyValues });
  const keys = { dataset: 'ä'.repeat(63), entries: kEntries.length };
  expect(aboutImportance(file)).toEqual(keysOf('the bytes', keys).map(([key, , value]) => [key, value]));
  expect(pairsOf(file).slice(-3)).toEqual(aboutImportance(file));
  const untouched = await ours(kDense, kType, { keyValues });
  expect(aboutImportance(untouched.file).map(([, value]) => value)).toEqual(['old', 'old', 3]);
});

test('include and exclude choose entries by parts of their names', async () => {
  const imatrix = new Uint8Array(imatrixGguf(kEntries));
  const importance = valuesOf(kEntries);
  const chosen = (isChosen) => new Map([...importance].filter(([name]) => isChosen(name)));
  for (const [options, isChosen] of [
    [{ includeWeights: ['ffn_down', 'attn_q'] }, (name) => /ffn_down|attn_q/u.test(name)],
    [{ excludeWeights: ['ffn_', 'attn_k'] }, (name) => !/ffn_|attn_k/u.test(name)],
  ]) {
    const { file } = await ours(kDense, { ...kType, imatrix, ...options });
    const expected = chosen(isChosen);
    expect(aboutImportance(file)).toContainEqual(['quantize.imatrix.entries_count', expected.size]);
    expect(weightsOf(file)).toEqual(weightsOf((await ours(kDense, { ...kType, importance: expected })).file));
  }
  for (const options of [{ includeWeights: ['none'] }, { excludeWeights: ['blk'] }]) {
    const { file, report } = await ours(kDense, { ...kType, imatrix, ...options });
    expect(file.equals((await ours(kDense, kType)).file)).toBe(true);
    expect(report.warnings).toEqual([
      { code: 'importance_unused', message: expect.stringContaining('none of its 7 entries is to be used') },
    ]);
  }
});

test('of another model it has no effect, which is told', async () => {
  const other = imatrixGguf([['blk.9.attn_q.weight', { sums: [1, 2], counts: [1] }]]);
  const { file, report } = await ours(kDense, { ...kType, imatrix: new Uint8Array(other) });
  expect(weightsOf(file)).toEqual(weightsOf((await ours(kDense, kType)).file));
  expect(report.warnings).toEqual([{ code: 'importance_unused', message: expect.stringContaining('"the bytes"') }]);
});

test.each([
  [{ type: 'Q8_0' }, 'Q8_0'],
  [{ type: 'Q8_0', rules: [[/blk/u, 'MXFP4']], outputType: 'MXFP4', embeddingType: 'MXFP4' }, 'MXFP4'],
  [{ type: 'Q8_0', rules: [[/blk/u, 'NVFP4']], outputType: 'NVFP4', embeddingType: 'NVFP4' }, 'NVFP4'],
  [{ type: 'TQ2_0', pure: true }, 'TQ2_0'],
])('%j uses it with more effort alone, which is told', async (options, type) => {
  const imatrix = new Uint8Array(imatrixGguf(kEntries));
  const { file, report } = await ours(kDense, { ...options, imatrix });
  expect(weightsOf(file)).toEqual(weightsOf((await ours(kDense, options)).file));
  const message = `the importance matrix "the bytes" has no effect: ${type} uses importance with the effort best alone`;
  expect(report.warnings).toContainEqual({ code: 'importance_unused', message });
  const best = await ours(kDense, { ...options, imatrix, effort: 'best' });
  expect(best.report.warnings.filter(({ code }) => code === 'importance_unused')).toEqual([]);
  const importance = valuesOf(kEntries);
  await expect(ours(kDense, { ...options, importance })).rejects.toThrow(
    `importance has no effect on ${type} with the effort reference; give the effort best, too, or leave importance out`,
  );
});

test('what does not fit is refused, but not for token embeddings', async () => {
  const entry = (name, columns) => [name, { sums: Array.from({ length: columns }, () => 1), counts: [1] }];
  const cases = [
    [kDense, entry('blk.0.attn_q.weight', 255), 'shape_mismatch', /has 255 values for it, must have 256/u],
    [kDense, entry('output.weight', 512), 'shape_mismatch', /"output.weight"/u],
    [kExperts, entry('blk.0.ffn_up_exps.weight', 256), 'shape_mismatch', /256 values for it, must have 256 × 4/u],
  ];
  for (const [model, one, code, message] of cases) {
    const imatrix = new Uint8Array(imatrixGguf([one]));
    await expect(ours(model, { ...kType, imatrix })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    // For what is only copied nothing has to fit.
    await ours(model, { ...kType, imatrix, rules: [[`=${one[0]}`, 'keep']] });
  }
  const embeddings = new Uint8Array(imatrixGguf([entry('token_embd.weight', 7), ...kEntries]));
  const { file } = await ours(kDense, { ...kType, imatrix: embeddings });
  const usual = await ours(kDense, { ...kType, imatrix: new Uint8Array(imatrixGguf(kEntries)) });
  expect(weightsOf(file)).toEqual(weightsOf(usual.file));
});

test.each([NaN, Infinity, -1])('a value of %p is refused, unless it is left out', async (value) => {
  const [[name, { sums, counts }], ...others] = kEntries;
  const imatrix = new Uint8Array(imatrixGguf([[name, { sums: sums.with(3, value * counts[0]), counts }], ...others]));
  await expect(ours(kDense, { ...kType, imatrix })).rejects.toMatchObject({
    ...{ code: 'invalid_file', layer: name },
    message: expect.stringContaining(`value 3 of "${name}" is ${value}`),
  });
  await ours(kDense, { ...kType, imatrix, excludeWeights: [name] });
});

test('options that contradict each other are refused before anything is read', async () => {
  const imatrix = 'no such file';
  const cases = [
    [{ includeWeights: ['a'] }, /includeWeights has no meaning without imatrix/u],
    [{ excludeWeights: [] }, /excludeWeights has no meaning without imatrix/u],
    [{ imatrix, includeWeights: ['a'], excludeWeights: ['b'] }, /cannot go together/u],
    [{ imatrix, importance: new Map() }, /imatrix and importance/u],
    [{ imatrix, includeWeights: 'a' }, /includeWeights is "a", must be an array/u],
    [{ imatrix, excludeWeights: [''] }, /none of them empty/u],
    [{ imatrix: 7 }, /imatrix is 7/u],
    [{ imatrix, format: 'mlx' }, /imatrix has no meaning, because the format is mlx/u],
  ];
  for (const [options, message] of cases) {
    await expect(quantizer.plan('no such model', options)).rejects.toMatchObject({
      ...{ code: 'invalid_option', message: expect.stringMatching(message) },
    });
  }
  await expect(quantizer.plan(folder.write('in.gguf', ggufFile(kDense)), { ...kType, imatrix })).rejects.toMatchObject({
    ...{ code: 'unreadable_input', file: imatrix },
  });
});

test('a matrix is no model', async () => {
  const imatrix = folder.write('imatrix.gguf', imatrixGguf(kEntries));
  await expect(quantizer.plan(imatrix, { ...kType, architecture: 'none' })).rejects.toMatchObject({
    ...{ code: 'unsupported_model', message: expect.stringContaining('give the model, and this as imatrix') },
  });
});

test('the matrix is not overwritten', async () => {
  const imatrix = folder.write('imatrix.gguf', imatrixGguf(kEntries));
  const input = folder.write('in.gguf', ggufFile(kDense));
  await expect(quantizer.quantizeFile(input, imatrix, { ...kType, imatrix })).rejects.toMatchObject({
    ...{ code: 'unwritable_output', message: expect.stringContaining('it is the input') },
  });
  expect(readFileSync(imatrix).equals(imatrixGguf(kEntries))).toBe(true);
});

test('a plan and an opened model take it, too, and callers can read it', async () => {
  const input = folder.write('in.gguf', ggufFile(kDense));
  const imatrix = folder.write('imatrix.gguf', imatrixGguf(kEntries));
  const plan = await quantizer.plan(input, { ...kType, imatrix });
  const { report, file } = await ours(kDense, { ...kType, imatrix });
  expect(plan.totals.fileBytes).toBe(file.length);
  expect(plan.warnings).toEqual(report.warnings);
  const model = await quantizer.open(input);
  expect(await model.plan({ ...kType, imatrix })).toEqual(plan);
  await model.close();
  const { entries, datasets } = await quantizer.readImportance(imatrix);
  expect(datasets).toEqual(['wiki.train.raw']);
  expect(new Map([...entries].map(([name, { values }]) => [name, values]))).toEqual(valuesOf(kEntries));
});

test('a layer that moves up does not get the importance of the one that is left out', async () => {
  const model = tinyLlama({ layers: 2, seed: 4 });
  const ofFirst = seededEntries(model).filter(([name]) => name.startsWith('blk.0.'));
  const ofEmbeddings = ['token_embd.weight', { sums: new Array(256).fill(1), counts: [1] }];
  const imatrix = new Uint8Array(imatrixGguf([...ofFirst, ofEmbeddings]));
  const alone = new Uint8Array(imatrixGguf([ofEmbeddings]));
  const [moved, without] = [
    (await ours(model, { type: 'Q4_0', imatrix, pruneLayers: [0] })).file,
    (await ours(model, { type: 'Q4_0', imatrix: alone, pruneLayers: [0] })).file,
  ];
  expect(weightsOf(moved)).toEqual(weightsOf(without));
});
