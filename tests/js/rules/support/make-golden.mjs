/**
 * Writes golden-types.json: hashes of the types that llama.cpp gives the tensors of language-models.mjs, for the tests on
 * platforms that its library does not run on. After a change of the models: `node tests/js/rules/support/make-golden.mjs`.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { FILE_TYPE_NUMBERS, openLlamaModels } from '../../../peers/llama-model.mjs';
import { ggufFile, readGguf } from '../../../peers/tiny-llama.mjs';
import { LANGUAGE_MODELS } from './language-models.mjs';
import { hashOfTypes } from './types-hash.mjs';

const llama = openLlamaModels();
if (llama === null) throw new Error("llama.cpp's library is not to be had on this platform");
const folder = mkdtempSync(path.join(tmpdir(), 'arrowquant-golden-'));
const [input, output] = ['in.gguf', 'out.gguf'].map((name) => path.join(folder, name));

function hashes(pure) {
  const entries = Object.keys(FILE_TYPE_NUMBERS).map((type) => {
    llama.quantize(input, output, { type, pure });
    return [type, hashOfTypes(readGguf(readFileSync(output)).tensors.map((tensor) => [tensor.name, tensor.type]))];
  });
  return Object.fromEntries(entries);
}

const golden = Object.entries(LANGUAGE_MODELS).map(([name, model]) => {
  writeFileSync(input, ggufFile(model));
  return [name, { mixed: hashes(false), pure: hashes(true) }];
});
rmSync(folder, { recursive: true });
const text = `${JSON.stringify(Object.fromEntries(golden), null, 2)}\n`;
writeFileSync(new URL('golden-types.json', import.meta.url), text);
