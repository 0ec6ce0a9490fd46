/** What is measured in a page. Times are milliseconds for one run; options and results are what JSON can say. */
import { ArrowQuant } from '../../../dist/browser.js';
import { sampleWeights, timeRepeated } from '../../lib/measure.mjs';

const kept = new Map();

/** What has been made once for a page. */
function once(name, make) {
  if (!kept.has(name)) kept.set(name, make());
  return kept.get(name);
}

const weightsOf = (count) => once(`weights ${count}`, () => sampleWeights(count));
const quantizerOf = (threads) => once(`quantizer ${threads}`, () => ArrowQuant.create({ threads }));

/** Where this is, and which backend a page has here. */
export async function facts() {
  const { backend } = await quantizerOf(2);
  return { userAgent: navigator.userAgent, isolated: globalThis.crossOriginIsolated === true, backend };
}

/** GB/s by kernel, from the kernels' own program. */
export async function kernels({ weights, rounds }) {
  const { default: run } = await import('../../../build/wasm-single/bench/arrowquant_kernels_web.mjs');
  const lines = [];
  await run({ arguments: [String(weights), String(rounds)], print: (line) => lines.push(line) });
  return JSON.parse(lines.join('\n')).kernels;
}

export async function encode({ type, weights, threads }) {
  const quantizer = await quantizerOf(threads);
  const array = weightsOf(weights);
  return timeRepeated(() => quantizer.encode(array, type));
}

export async function copy({ weights }) {
  const from = weightsOf(weights);
  const to = once('copy', () => new Float32Array(weights));
  return timeRepeated(() => to.set(from));
}

/** A batch of 16 layers, to new arrays or to those of the batch before. */
export async function batch({ bits, weights, threads, reuse }) {
  const quantizer = await quantizerOf(threads);
  const all = weightsOf(weights);
  const layers = once(`layers ${weights}`, () => {
    const size = weights / 16;
    return new Map(Array.from({ length: 16 }, (_, i) => [`layer.${i}`, all.subarray(i * size, (i + 1) * size)]));
  });
  const output = reuse ? await once(`output ${bits}`, () => quantizer.quantizeBatch(layers, bits)) : null;
  return timeRepeated(() => quantizer.quantizeBatch(layers, bits, { output }));
}

/** A File that the page was given, to one in its own file system, which is removed afterwards. */
export async function convert({ model, options, threads }) {
  const quantizer = await quantizerOf(threads);
  const file = await once(`file ${model}`, async () => new File([await (await fetch(model)).blob()], 'model.gguf'));
  const folder = await navigator.storage.getDirectory();
  const target = await folder.getFileHandle('out.gguf', { create: true });
  const start = performance.now();
  await quantizer.quantizeFile(file, target, { ...options, metrics: false });
  const time = performance.now() - start;
  await folder.removeEntry('out.gguf');
  return time;
}
