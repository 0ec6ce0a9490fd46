/**
 * `node load-with-llama.mjs FILE…`: has llama.cpp load each file and compute with it, and says what came of it in a line of
 * JSON each: null, or llama.cpp's complaint. A process of its own, because what llama.cpp has not thought of ends it.
 */
import { openLlamaModels } from '../../../peers/llama-model.mjs';

const llama = openLlamaModels();
for (const file of process.argv.slice(2)) {
  let complaint = null;
  try {
    llama.tokenize(file, ['Hello, world']);
  } catch (error) {
    complaint = error.message;
  }
  process.stdout.write(`${JSON.stringify(complaint)}\n`);
}
