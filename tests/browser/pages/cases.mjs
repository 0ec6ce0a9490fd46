/**
 * What tests do with the package wherever it runs: in pages, in Workers, in Node and other runtimes. Every case gets the
 * package as its first argument and resolves to something that JSON can say; bytes become SHA-256 digests, so that the
 * places can be compared with each other.
 */
import { layersOf, randomWeights } from '../../js/support/weights.mjs';

/** One chunk and many, whole groups and not. */
const kSizes = [1, 127, 4096, 131_073, 700_001];
const kBlockWeights = 256 * 600;

const batchWeights = () => new Map(kSizes.map((size) => [`layer of ${size}`, randomWeights(size, size)]));

/** SHA-256 of arrays, one after the other. */
export async function digest(...arrays) {
  const pieces = arrays.map((array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const piece of pieces) {
    all.set(piece, end);
    end += piece.length;
  }
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', all));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export async function digestOfBatch(result) {
  const entries = [...result].map(async ([name, { quantizedData, scales, zeroPoints }]) => [
    name,
    await digest(quantizedData, scales, zeroPoints),
  ]);
  return Object.fromEntries(await Promise.all(entries));
}

async function using({ ArrowQuant }, options, work) {
  const quantizer = await ArrowQuant.create(options);
  try {
    return await work(quantizer);
  } finally {
    await quantizer.dispose();
  }
}

const told = (error) => ({ code: error.code ?? String(error), layer: error.layer, index: error.index });
const outcome = (promise) => promise.then(() => ({ code: 'none' }), told);

/** Where this is. */
export const facts = () => ({
  isolated: globalThis.crossOriginIsolated === true,
  worker: typeof document === 'undefined',
});

/** Which backend `create` settles on, and whether it works. */
export async function create({ ArrowQuant }, options) {
  const quantizer = await ArrowQuant.create(options).catch((error) => error);
  if (quantizer.backend === undefined) return { ...told(quantizer), message: quantizer.message };
  const { backend, threads, fallback } = quantizer;
  const digests = await digestOfBatch(await quantizer.quantizeBatch(layersOf(3, 5000), 4));
  await quantizer.dispose();
  return { backend, threads, fallback, digests };
}

/** A batch with progress, there and back. */
export function batch(arrowquant, { bits, create, ...options }) {
  return using(arrowquant, create, async (quantizer) => {
    const progress = [];
    const weights = batchWeights();
    const note = (layer, fraction) => progress.push([layer, fraction]);
    const result = await quantizer.quantizeBatchWithProgress(weights, bits, note, options);
    const restored = await quantizer.dequantize(result.get(`layer of ${kSizes.at(-1)}`));
    const digests = { ...(await digestOfBatch(result)), restored: await digest(restored) };
    return { backend: quantizer.backend, digests, progress };
  });
}

/** Weights in shared memory, which a page cannot transfer. */
export function sharedInput(arrowquant, { bits, create }) {
  return using(arrowquant, create, async (quantizer) => {
    const shared = [...batchWeights()].map(([name, weights]) => {
      const copy = new Float32Array(new SharedArrayBuffer(weights.byteLength));
      copy.set(weights);
      return [name, copy];
    });
    return digestOfBatch(await quantizer.quantizeBatch(new Map(shared), bits));
  });
}

/** Every block format, encoded and decoded. */
export function blocks(arrowquant, { create } = {}) {
  const { BLOCK_TYPES } = arrowquant;
  return using(arrowquant, create, async (quantizer) => {
    const weights = randomWeights(kBlockWeights, 3);
    const digests = {};
    for (const type of BLOCK_TYPES) {
      const bytes = await quantizer.encode(weights, type);
      digests[type] = [await digest(bytes), await digest(await quantizer.decode(bytes, type))];
    }
    return digests;
  });
}

/** A callback that throws, and one that rejects: what the console gets, and that the batch does not mind. */
export function badCallback(arrowquant, { create } = {}) {
  return using(arrowquant, create, async (quantizer) => {
    const logged = [];
    const { error: original } = console;
    console.error = (...words) => logged.push(words.map(String).join(' '));
    try {
      let calls = 0;
      const result = await quantizer.quantizeBatchWithProgress(layersOf(4), 4, () => {
        calls += 1;
        if (calls % 2 === 0) return Promise.reject(new Error('the callback rejects'));
        throw new Error('the callback throws');
      });
      // Whether a rejection is told before the next call depends on how many events one turn of the loop brings.
      return { calls, logged: logged.sort(), digests: await digestOfBatch(result) };
    } finally {
      console.error = original;
    }
  });
}

/** A NaN in the middle of a layer, an impossible bit width, a row that is no whole number of blocks. */
export function badInput(arrowquant, { create } = {}) {
  return using(arrowquant, create, async (quantizer) => {
    const weights = layersOf(3, 200_000);
    weights.get('layer.1.weight')[150_003] = NaN;
    return {
      notFinite: await outcome(quantizer.quantizeBatch(weights, 4)),
      bitWidth: await outcome(quantizer.quantizeBatch(layersOf(1), 3)),
      row: await outcome(quantizer.encode(new Float32Array(100), 'Q4_0')),
      afterwards: await digestOfBatch(await quantizer.quantizeBatch(layersOf(2), 4)),
    };
  });
}

/** An abort in the first progress event of many, and one before the call; the quantizer lives on. */
export function abort(arrowquant, { create } = {}) {
  return using(arrowquant, create, async (quantizer) => {
    const controller = new AbortController();
    let calls = 0;
    const stopAtOnce = () => {
      calls += 1;
      controller.abort();
    };
    const { signal } = controller;
    const during = quantizer.quantizeBatchWithProgress(layersOf(64, 100_000), 8, stopAtOnce, { signal });
    return {
      during: await outcome(during),
      calls,
      before: await outcome(quantizer.quantizeBatch(layersOf(1), 8, { signal })),
      afterwards: await digestOfBatch(await quantizer.quantizeBatch(layersOf(2), 4)),
    };
  });
}

/** What is pending, and what comes later, when a quantizer is disposed of. */
export async function dispose({ ArrowQuant }, { create } = {}) {
  const quantizer = await ArrowQuant.create(create);
  const pending = outcome(quantizer.quantizeBatch(layersOf(64, 100_000), 8));
  await quantizer.dispose();
  return { pending: await pending, later: await outcome(quantizer.quantizeBatch(layersOf(1), 8)) };
}
