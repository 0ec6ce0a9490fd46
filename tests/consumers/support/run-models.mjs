// Runs models: `node run-models.mjs <package>`, with a list of `{ file, runs, settings }` as JSON at standard input, where each
// run has its inputs by name as `{ type, dims, values }`. Prints for each model its outputs in the same form, one object for a
// run, or what ONNX Runtime said. Jest's own modules are no place for it.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';

const kPackage = process.argv[2];
const ort = await import(kPackage);
ort.env.logLevel = 'error';
ort.env.wasm.numThreads = 1;

const kArrays = { float32: Float32Array, int64: BigInt64Array, bool: Uint8Array };

function tensorOf({ type, dims, values }) {
  const array = kArrays[type];
  return new ort.Tensor(type, array.from(values, type === 'int64' ? BigInt : Number), dims);
}

function open(file, settings) {
  if (kPackage === 'onnxruntime-node') return ort.InferenceSession.create(file, settings);
  const data = `${file}_data`;
  const externalData = existsSync(data) ? [{ path: path.basename(data), data: readFileSync(data) }] : [];
  return ort.InferenceSession.create(readFileSync(file), { ...settings, executionProviders: ['wasm'], externalData });
}

async function runOnce(session, inputs) {
  const feeds = session.inputNames.map((name) => [name, tensorOf(inputs[name])]);
  const results = await session.run(Object.fromEntries(feeds));
  return Object.fromEntries(
    Object.entries(results).map(([name, { type, dims, data }]) => [
      name,
      { type, dims, values: numbersOf(type, data) },
    ]),
  );
}

/** Halves come as their bits where there is no Float16Array. */
function numbersOf(type, data) {
  const isBits = type === 'float16' && data instanceof Uint16Array;
  return Array.from(data, isBits ? halfOf : Number);
}

function halfOf(bits) {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

async function run({ file, runs, settings }) {
  const session = await open(file, settings);
  const outputs = [];
  for (const inputs of runs) outputs.push(await runOnce(session, inputs));
  await session.release();
  return outputs;
}

const results = [];
for (const one of JSON.parse(await text(process.stdin))) {
  try {
    results.push({ outputs: await run(one) });
  } catch (error) {
    results.push({ error: String(error.message ?? error) });
  }
}
process.stdout.write(JSON.stringify(results));
