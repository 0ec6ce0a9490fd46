/**
 * Uses the package by name in whatever runtime runs this, prints what came out as one line of JSON, and ends by itself:
 *
 *   smoke.mjs <address of cases.mjs> <model> <folder for outputs>
 */
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import process from 'node:process';
import { inspect } from 'node:util';
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
  const interruption = await interruptAndResume(quantizer, path.join(folder, 'resumed.gguf'));
  const missing = await quantizer.quantizeFile(`${model}.not.there`, affine).catch(({ code }) => code);
  return {
    digests: [affine, restored, gguf].map(digestOfFile),
    tensors: tensors.length,
    events: events.length,
    last: events.at(-1)[1],
    ...{ interruption, missing },
    left: readdirSync(folder).sort(),
  };
  // Not disposed of: a process with nothing else to do ends all the same.
}

/** Ends a conversion after its first tensor, and goes on with it. */
async function interruptAndResume(quantizer, output) {
  const controller = new AbortController();
  const options = { type: 'Q4_K_M', resume: true };
  const onTensor = () => controller.abort();
  const { code } = await quantizer
    .quantizeFile(model, output, { ...options, signal: controller.signal, onTensor })
    .catch((error) => error);
  await quantizer.quantizeFile(model, output, options);
  return { code, digest: digestOfFile(output) };
}

/** Numbers that halves hold: as a Float16Array where there are any, else as floats, which must give the same bytes. */
async function halves(backend) {
  const Halves = globalThis.Float16Array ?? Float32Array;
  const data = Halves.from({ length: 300_001 }, (_, i) => ((i * 37) % 2048) / 64 - 16);
  const quantizer = await arrowquant.ArrowQuant.create({ backend, threads: 2 });
  const batch = await cases.digestOfBatch(await quantizer.quantizeBatch({ data }, 4));
  const blocks = await cases.digest(await quantizer.encode(data.subarray(0, 256 * 600), 'Q4_K'));
  data[200_000] = Number.POSITIVE_INFINITY;
  const { code, index } = await quantizer.quantizeBatch({ data }, 4).catch((error) => error);
  await quantizer.dispose();
  return { batch, blocks, code, index };
}

/** Memory that engines refuse to transfer, each in its own way, among some that they do. */
async function untransferable() {
  const pooled = Buffer.allocUnsafe(2004);
  const layers = () => ({
    a: new Float32Array(500).fill(0.5),
    memory: new Float32Array(new WebAssembly.Memory({ initial: 1 }).buffer, 0, 500).fill(0.25),
    pool: new Float32Array(pooled.buffer, Math.ceil(pooled.byteOffset / 4) * 4, 500).fill(0.75),
    shared: new Float32Array(new SharedArrayBuffer(2000)).fill(1),
    z: new Float32Array(500).fill(2),
  });
  const quantizer = await arrowquant.ArrowQuant.create();
  const given = layers();
  const result = await cases.digestOfBatch(await quantizer.quantizeBatch(given, 4, { transfer: true }));
  await quantizer.dispose();
  return { result, detached: [given.a.length, given.z.length], shared: given.shared.length };
}

/** What is said of a signed address where nobody answers: engines repeat it in their own words. */
async function servers() {
  const quantizer = await arrowquant.ArrowQuant.create({ backend: 'single' });
  const address = `http://127.0.0.1:${String(await closedPort())}/a`;
  const error = await quantizer.inspectFile(`${address}?signature=s1gned`).catch((reason) => reason);
  await quantizer.dispose();
  const said = `${error.stack} ${inspect(error.cause)}`;
  return { code: error.code, names: error.message.includes(address), tells: said.includes('s1gned') };
}

async function closedPort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

// It waits before it tries again: meanwhile the rest is done.
const refusing = servers();
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
  halves: await halves('threads'),
  halvesSingle: await halves('single'),
  halvesWorkers: await halves('workers'),
  untransferable: await untransferable(),
  blocks: await cases.blocks(arrowquant),
  badCallback: await cases.badCallback(arrowquant),
  badInput: await cases.badInput(arrowquant),
  abort: await cases.abort(arrowquant),
  dispose: await cases.dispose(arrowquant),
  files: await convert(),
  servers: await refusing,
};
console.log(JSON.stringify(results));
