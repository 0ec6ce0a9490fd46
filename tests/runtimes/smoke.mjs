/**
 * Uses the package by name in whatever runtime runs this, prints what came out as one line of JSON, and ends by itself:
 *
 *   smoke.mjs <address of cases.mjs> <model> <folder for outputs>
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import * as arrowquant from 'arrowquant';

const [addressOfCases, model, folder] = process.argv.slice(2);
const cases = await import(addressOfCases);

const digestOfFile = (file) => createHash('sha256').update(readFileSync(file)).digest('hex');

/** Every kind of file that the package writes. */
async function convert() {
  const quantizer = await arrowquant.ArrowQuant.create();
  const affine = path.join(folder, 'affine.safetensors');
  const restored = path.join(folder, 'restored.safetensors');
  const gguf = path.join(folder, 'q4_k_m.gguf');
  const events = [];
  const { tensors } = await quantizer.quantizeFile(model, affine, {
    bits: 4,
    progress: (tensor, fraction) => events.push([tensor, fraction]),
  });
  await quantizer.dequantizeFile(affine, restored);
  await quantizer.quantizeFile(model, gguf, { type: 'Q4_K_M' });
  const missing = await quantizer.quantizeFile(`${model}.not.there`, affine).catch(({ code }) => code);
  return {
    digests: [affine, restored, gguf].map(digestOfFile),
    tensors: tensors.length,
    events: events.length,
    last: events.at(-1)[1],
    missing,
  };
  // Not disposed of: a process with nothing else to do ends all the same.
}

const results = {
  create: await cases.create(arrowquant, { backend: 'threads', threads: 2 }),
  workers: await cases.create(arrowquant, { backend: 'workers', threads: 2 }),
  single: await cases.create(arrowquant, { backend: 'single' }),
  batches: [
    await cases.batch(arrowquant, { bits: 2, groupSize: 64 }),
    await cases.batch(arrowquant, { bits: 4 }),
    await cases.batch(arrowquant, { bits: 8, groupSize: 'tensor', symmetric: true }),
  ],
  sharedInput: await cases.sharedInput(arrowquant, { bits: 4 }),
  blocks: await cases.blocks(arrowquant),
  badCallback: await cases.badCallback(arrowquant),
  badInput: await cases.badInput(arrowquant),
  abort: await cases.abort(arrowquant),
  dispose: await cases.dispose(arrowquant),
  files: await convert(),
};
console.log(JSON.stringify(results));
