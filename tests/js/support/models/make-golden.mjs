/**
 * Writes golden-gguf.json: digests of the files that llama.cpp makes of the models of gguf-models.mjs, for the tests on
 * platforms that its library does not run on. After a change of the models: `node tests/js/support/models/make-golden.mjs`.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { BLOCK_TYPES, FILE_TYPES } from '../../../../dist/index.js';
import { leastImportance, openLlamaModels } from '../../../peers/llama-model.mjs';
import { ggufFile } from '../../../peers/tiny-llama.mjs';
import { digestOf, fileTypeOf, ggufModels, kRequantizedTypes, requantizedModel } from './gguf-models.mjs';

const llama = openLlamaModels();
if (llama === null) throw new Error("llama.cpp's library is not to be had on this platform");
const folder = mkdtempSync(path.join(tmpdir(), 'arrowquant-golden-'));
const [input, output, again] = ['in.gguf', 'out.gguf', 'again.gguf'].map((name) => path.join(folder, name));

function digest(from, to, options) {
  llama.quantize(from, to, options);
  return digestOf(readFileSync(to));
}

const models = ggufModels(FILE_TYPES).map(({ name, types, tensors, file }) => {
  writeFileSync(input, file);
  const digestAs = (type, pure) => digest(input, output, { type, pure, ...leastImportance(type, tensors) });
  const digests = (pure) => Object.fromEntries(types.map((type) => [type, digestAs(type, pure)]));
  return [name, { mixed: digests(false), pure: digests(true) }];
});

const first = requantizedModel();
writeFileSync(input, ggufFile(first));
const requantized = BLOCK_TYPES.filter((block) => FILE_TYPES.includes(fileTypeOf(block))).map((block) => {
  const type = fileTypeOf(block);
  llama.quantize(input, output, { type, pure: true, ...leastImportance(type, first.tensors) });
  const to = kRequantizedTypes.map((type) => [type, digest(output, again, { type, requantize: true })]);
  return [block, Object.fromEntries(to)];
});

rmSync(folder, { recursive: true });
const golden = { models: Object.fromEntries(models), requantized: Object.fromEntries(requantized) };
writeFileSync(new URL('golden-gguf.json', import.meta.url), `${JSON.stringify(golden, null, 2)}\n`);
