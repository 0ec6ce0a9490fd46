import { readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { WritableStream } from 'node:stream/web';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { openLlamaModels } from '../../peers/llama-model.mjs';
import { ggufFile, readGguf, tinyLlama } from '../../peers/tiny-llama.mjs';
import { diffusionModel } from '../support/models/diffusion-models.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { digestOf } from '../support/models/gguf-models.mjs';
import { killConversion } from '../support/models/kill.mjs';
import { modelFile } from '../support/models/safetensors.mjs';

const kSplit = 1e6;

const llama = openLlamaModels();
const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const writeModel = () => folder.write('in.gguf', ggufFile(tinyLlama({ layers: 3 })));
const convert = (source, sink, options) =>
  quantizer.quantizeFile(source, folder.path(sink), { type: 'Q4_K_M', metrics: false, ...options });
const read = (name) => readFileSync(folder.path(name));

/** Name, type and digest of each tensor in files. */
const tensorsOf = (...files) =>
  files
    .flatMap((file) => readGguf(readFileSync(file)).tensors)
    .map(({ name, type, bytes }) => [name, type, digestOf(bytes)]);

describe('output in shards', () => {
  test('is the single file in parts, each within the limit', async () => {
    const input = writeModel();
    await convert(input, 'whole.gguf', { type: 'Q8_0' });
    const { files, output } = await convert(input, 'out.gguf', { type: 'Q8_0', splitSize: kSplit });
    expect(output).toBe(folder.path('out.gguf'));
    expect(files.length).toBeGreaterThan(2);
    const count = String(files.length).padStart(5, '0');
    const names = files.map((_, i) => `out-${String(i + 1).padStart(5, '0')}-of-${count}.gguf`);
    expect(files.map((file) => path.basename(file))).toEqual(names);
    expect(folder.list()).toEqual(['in.gguf', ...names, 'whole.gguf']);
    for (const file of files) expect(statSync(file).size).toBeLessThanOrEqual(kSplit);
    expect(tensorsOf(...files)).toEqual(tensorsOf(folder.path('whole.gguf')));
    // Any of them opens the model, for us.
    const comparison = await quantizer.compareFiles(folder.path('whole.gguf'), files[1]);
    expect(comparison.tensors.every(({ equal }) => equal)).toBe(true);
    expect([comparison.onlyInA, comparison.onlyInB]).toEqual([[], []]);
  });

  if (llama !== null)
    test('is opened by llama.cpp, which computes the same', async () => {
      const input = writeModel();
      await convert(input, 'whole.gguf');
      const { files } = await convert(input, 'out.gguf', { splitSize: kSplit });
      expect(files.length).toBeGreaterThan(1);
      const tokens = [1, 70, 71];
      const [whole, split] = [folder.path('whole.gguf'), files[0]].map((file) => llama.logits(file, tokens));
      expect(whole.findIndex((logit, i) => !Object.is(logit, split[i]))).toBe(-1);
    });

  test('is one file under its own name when it fits', async () => {
    const { files } = await convert(writeModel(), 'out.gguf', { splitSize: 1e9 });
    expect(files).toEqual([folder.path('out.gguf')]);
    await convert(folder.path('in.gguf'), 'whole.gguf');
    expect(read('out.gguf').equals(read('whole.gguf'))).toBe(true);
  });

  test('a tensor above the limit has a file of its own', async () => {
    const model = tinyLlama({ layers: 1, hidden: 4096 });
    const input = folder.write('in.gguf', ggufFile(model));
    const { files } = await convert(input, 'out.gguf', { type: 'Q8_0', splitSize: kSplit });
    const above = files.filter((file) => statSync(file).size > kSplit);
    expect(above).toHaveLength(3);
    for (const file of above) expect(readGguf(readFileSync(file)).tensors).toHaveLength(1);
  });

  test('killed in the middle: the old shards are intact, and no new one has its name', async () => {
    const input = writeModel();
    const { files } = await convert(input, 'out.gguf', { type: 'Q8_0', splitSize: kSplit });
    const old = files.map((file) => readFileSync(file));
    const before = folder.list();
    const options = { type: 'Q5_K_M', splitSize: kSplit };
    const { output, tensors } = await quantizer.plan(input, options);
    expect(output.files).toBeGreaterThan(1);
    expect(output.files).not.toBe(files.length);
    // All but one tensor are written then, hence all but one file are complete.
    await killConversion(input, folder.path('out.gguf'), options, tensors.length - 1);
    expect(folder.list().filter((name) => !name.endsWith('.partial'))).toEqual(before);
    files.forEach((file, i) => expect(readFileSync(file).equals(old[i])).toBe(true));
  });

  test('to what is no path is refused before a byte is written', async () => {
    const written = [];
    const stream = new WritableStream({ write: (chunk) => void written.push(chunk) });
    const call = quantizer.quantizeFile(writeModel(), stream, { type: 'Q8_0', splitSize: kSplit });
    await expect(call).rejects.toMatchObject({ code: 'unwritable_output' });
    expect(written).toEqual([]);
  });
});

describe('input in shards', () => {
  test('GGUF: from any of them, the same file as from the whole', async () => {
    const input = writeModel();
    const { files } = await convert(input, 'half.gguf', { type: 'F16', splitSize: kSplit });
    expect(files.length).toBeGreaterThan(2);
    await convert(input, 'whole.gguf');
    for (const file of [files[0], files.at(-1)]) {
      await convert(file, 'out.gguf');
      expect(read('out.gguf').equals(read('whole.gguf'))).toBe(true);
    }
    // And into shards again.
    const again = await convert(files[0], 'again.gguf', { splitSize: kSplit });
    expect(tensorsOf(...again.files)).toEqual(tensorsOf(folder.path('whole.gguf')));
  });

  test('safetensors: by the index, the same file as from the whole', async () => {
    const tensors = diffusionModel('flux', { prefix: 'model.diffusion_model.' });
    const [first, second] = [tensors.slice(0, 2), tensors.slice(2)];
    folder.write('m-00001-of-00002.safetensors', modelFile(first));
    folder.write('m-00002-of-00002.safetensors', modelFile(second));
    const names = (part, file) => part.map(({ name }) => [name, file]);
    const map = [...names(first, 'm-00001-of-00002.safetensors'), ...names(second, 'm-00002-of-00002.safetensors')];
    const index = JSON.stringify({ metadata: {}, weight_map: Object.fromEntries(map) });
    const report = await convert(folder.write('m.safetensors.index.json', index), 'out.gguf');
    expect(report.architecture).toBe('flux');
    await convert(folder.write('whole.safetensors', modelFile(tensors)), 'whole.gguf');
    expect(read('out.gguf').equals(read('whole.gguf'))).toBe(true);
  });

  test('a missing shard is named, and nothing is written', async () => {
    const input = writeModel();
    const { files } = await convert(input, 'half.gguf', { type: 'F16', splitSize: kSplit });
    rmSync(files[1]);
    const before = folder.list();
    await expect(convert(files[0], 'out.gguf')).rejects.toMatchObject({ code: 'missing_shard', file: files[1] });
    expect(folder.list()).toEqual(before);
  });
});
