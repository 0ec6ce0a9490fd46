import { launchChromium } from '../../browser/support/browsers.mjs';
import { startServer } from '../../browser/support/server.mjs';
import { inProject } from '../../../tools/lib/paths.mjs';
import { kSentence } from './tiny-bert.mjs';

const kPackages = 'packages/@huggingface/transformers/dist/transformers.min.js';
const kRuntime = 'packages/onnxruntime-web/dist/';

/**
 * Runs a pipeline of transformers.js in Chromium, as WebAssembly, with each type of a model's files.
 *
 * @param {string} folder where folders of models lie
 * @param {string} model the name of one
 * @param {readonly string[]} types
 * @returns {Promise<{results: Record<string, {dims: number[], values: number[]} | {error: string}>, requests: string[]}>}
 *   features of a sentence by type; addresses that the page has asked another machine for
 */
export async function pipelinesInChromium(folder, model, types) {
  const sites = {
    packages: { root: inProject('tests/consumers/node_modules') },
    models: { root: folder },
    page: { root: folder },
  };
  const server = await startServer(sites);
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    const requests = [];
    page.on('request', (request) => requests.push(request.url()));
    await page.goto(server.url('page', `${model}/config.json`));
    const about = { origin: server.origin, script: kPackages, runtime: kRuntime, model, types, sentence: kSentence };
    const results = await page.evaluate(runInPage, about);
    return {
      results,
      requests: requests.filter((url) => !url.startsWith(server.origin) && !/^(?:blob|data):/.test(url)),
    };
  } finally {
    await browser.close();
    await server.close();
  }
}

/** Runs in the page. */
async function runInPage({ origin, script, runtime, model, types, sentence }) {
  const { env, pipeline } = await import(`${origin}/${script}`);
  Object.assign(env, { allowRemoteModels: false, allowLocalModels: true, localModelPath: '/models/' });
  Object.assign(env, { useBrowserCache: false });
  Object.assign(env.backends.onnx.wasm, { wasmPaths: `${origin}/${runtime}`, numThreads: 1 });
  const results = {};
  for (const type of types) {
    try {
      const extract = await pipeline('feature-extraction', model, { dtype: type, device: 'wasm' });
      const { dims, data } = await extract(sentence, { pooling: 'none' });
      results[type] = { dims, values: Array.from(data) };
      await extract.dispose();
    } catch (error) {
      results[type] = { error: String(error.message ?? error) };
    }
  }
  return results;
}
