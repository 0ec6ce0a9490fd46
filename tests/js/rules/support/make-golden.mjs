/**
 * Writes golden-types.json: hashes of the types that llama.cpp gives the tensors of language-models.mjs, for the tests on
 * platforms that its library does not run on. After a change of the models: `node tests/js/rules/support/make-golden.mjs`.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { FILE_TYPE_NUMBERS, openLlamaModels } from '../../../peers/llama-model.mjs';
import { ggufFile } from '../../../peers/tiny-llama.mjs';
import { LANGUAGE_MODELS, MODES, theirTypes } from './language-models.mjs';
import { hashOfTypes } from './types-hash.mjs';

const llama = openLlamaModels();
if (llama === null) throw new Error("llama.cpp's library is not to be had on this platform");
const folder = mkdtempSync(path.join(tmpdir(), 'arrowquant-golden-'));
const file = path.join(folder, 'model.gguf');

/** `Q4_0 1a2b3c4d` of each type; of those that llama.cpp makes no file of nothing. */
const hashes = (model, mode) =>
  Object.keys(FILE_TYPE_NUMBERS)
    .map((type) => [type, theirTypes(llama, file, model, { type, ...mode })])
    .flatMap(([type, types]) => (types === null ? [] : [`${type} ${hashOfTypes(types).toString(16)}`]))
    .join(', ');

const golden = Object.entries(LANGUAGE_MODELS).map(([name, model]) => {
  writeFileSync(file, ggufFile(model));
  return [name, Object.fromEntries(Object.entries(MODES).map(([label, mode]) => [label, hashes(model, mode)]))];
});
rmSync(folder, { recursive: true });
const text = `${JSON.stringify(Object.fromEntries(golden), null, 2)}\n`;
writeFileSync(new URL('golden-types.json', import.meta.url), text);
