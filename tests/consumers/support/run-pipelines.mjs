// Runs a pipeline of transformers.js with each type of a model's files: `node run-pipelines.mjs <folder> <model> <types>`.
// Prints by type the features of a sentence, or what was wrong.
import { env, pipeline } from '@huggingface/transformers';
import { kSentence } from './tiny-bert.mjs';

const [folder, model, types] = process.argv.slice(2);
env.allowRemoteModels = false;
env.localModelPath = folder;
globalThis.fetch = (address) => {
  throw new Error(`it wants to fetch ${String(address)}`);
};

const results = {};
for (const type of types.split(',')) {
  try {
    const extract = await pipeline('feature-extraction', model, { dtype: type, device: 'cpu' });
    const { dims, data } = await extract(kSentence, { pooling: 'none' });
    results[type] = { dims, values: Array.from(data) };
    await extract.dispose();
  } catch (error) {
    results[type] = { error: String(error.message ?? error) };
  }
}
process.stdout.write(JSON.stringify(results));
