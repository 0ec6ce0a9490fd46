import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { measure } from '../lib/measure.mjs';
import { writeLanguageModel } from '../lib/models.mjs';
import { SITES } from './pages.mjs';

const CONVERT = fileURLToPath(new URL('../lib/convert-once.mjs', import.meta.url));
const TYPES = ['Q8_0', 'Q4_0', 'Q4_K_M'];
const THREADS = 2;
/** llama.cpp takes seconds. */
const MOST_ROUNDS = 3;

/** An F16 GGUF as a File, to a file of the page's own, beside llama.cpp's `llama_model_quantize` from disk to disk. */
export async function filesInPages({ pages, browser, folder, addressOf, rounds }) {
  const input = path.join(folder, 'language-f16.gguf');
  writeLanguageModel(input);
  const model = addressOf('language-f16.gguf');
  const cases = TYPES.flatMap((type) => [
    {
      name: `${type}, llama.cpp native`,
      bytes: 0,
      run: () => convertNatively(input, path.join(folder, 'out.gguf'), type),
    },
    ...Object.entries(SITES).map(([site, title]) => ({
      name: `${type}, ${title}`,
      bytes: 0,
      run: () => pages[site].run('convert', { model, options: { type }, threads: THREADS }),
    })),
  ]);
  const results = await measure(cases, Math.min(rounds, MOST_ROUNDS));
  const timeOf = (wanted) => results.find(({ name }) => name === wanted).median;
  return {
    id: 'files-in-page',
    title: `F16 GGUF of 67 million weights in ${browser}, ${THREADS} threads`,
    reference: 'llama.cpp native',
    results: results.map((result) => {
      const [type] = result.name.split(',');
      return { ...result, ratio: timeOf(`${type}, llama.cpp native`) / result.median };
    }),
  };
}

function convertNatively(input, output, type) {
  const parameters = [CONVERT, 'llama', input, output, type, String(THREADS)];
  return JSON.parse(execFileSync(process.execPath, parameters, { encoding: 'utf8' })).milliseconds;
}
