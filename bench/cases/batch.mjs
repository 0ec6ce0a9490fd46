import { ArrowQuant } from 'arrowquant';
import createModule from 'arrowquant/wasm';
import { measure, sampleWeights, withRatios } from '../lib/measure.mjs';

const LAYERS = 16;
const LAYER_WEIGHTS = 4 << 20;
const MEMCPY = 'TypedArray.set';

function layersOf(all) {
  const weights = new Map();
  for (let i = 0; i < LAYERS; ++i) {
    weights.set(`layer.${String(i).padStart(2, '0')}.weight`, all.subarray(i * LAYER_WEIGHTS, (i + 1) * LAYER_WEIGHTS));
  }
  return weights;
}

function casesFor(quantizer, threads, bits, ordinary, shared, bytes) {
  let output;
  const label = `int${bits}, ${threads} thread${threads > 1 ? 's' : ''}`;
  return [
    {
      name: `${label}, new arrays`,
      bytes,
      run: async () => void (output = await quantizer.quantizeBatch(ordinary, bits)),
    },
    {
      name: `${label}, output reused`,
      bytes,
      run: async () => void (await quantizer.quantizeBatch(ordinary, bits, { output })),
    },
    {
      name: `${label}, shared input, output reused`,
      bytes,
      run: async () => void (await quantizer.quantizeBatch(shared, bits, { output })),
    },
    {
      name: `${label}, transferred input, output reused`,
      bytes,
      async run() {
        const given = new Map([...ordinary].map(([name, weights]) => [name, weights.slice()]));
        const start = performance.now();
        await quantizer.quantizeBatch(given, bits, { output, transfer: true });
        return performance.now() - start;
      },
    },
  ];
}

const SLOTS = 16;
const SLOT_BYTES = 512 << 10;

/** Copies `all` into slots of a module's heap in turn: what every batch has to do before anything else. */
function copyCase(name, module, all, copy) {
  const from = Buffer.from(all.buffer);
  const slots = Array.from({ length: SLOTS }, () => module.allocate(SLOT_BYTES));
  const run = () => {
    for (let at = 0, i = 0; at < from.length; at += SLOT_BYTES, ++i) {
      copy(module.HEAPU8, slots[i % SLOTS], from.subarray(at, at + SLOT_BYTES));
    }
  };
  return { name, bytes: from.length, run };
}

/** The batch API from JavaScript arrays to JavaScript arrays, beside a plain copy of the same arrays. */
export async function batch({ rounds }) {
  const all = sampleWeights(LAYERS * LAYER_WEIGHTS);
  const sharedAll = new Float32Array(new SharedArrayBuffer(all.byteLength));
  sharedAll.set(all);
  const target = new Float32Array(all.length).fill(1);
  const bytes = all.byteLength;
  const quantizers = await Promise.all([1, 2].map((threads) => ArrowQuant.create({ threads })));
  const modules = [await createModule({ backend: 'single' }), await createModule({ backend: 'threads', threads: 1 })];
  const cases = [
    { name: MEMCPY, bytes, run: () => void target.set(all) },
    copyCase('into a heap', modules[0], all, (heap, slot, piece) => heap.set(piece, slot)),
    // As the package does it in Node: `set` copies shared memory with atomic operations.
    copyCase('into a shared heap', modules[1], all, (heap, slot, piece) =>
      Buffer.from(heap.buffer).fill(piece, slot, slot + piece.length),
    ),
  ];
  for (const bits of [8, 4, 2]) {
    quantizers.forEach((quantizer, i) => {
      cases.push(...casesFor(quantizer, i + 1, bits, layersOf(all), layersOf(sharedAll), bytes));
    });
  }
  const results = withRatios(await measure(cases, rounds), MEMCPY);
  await Promise.all(quantizers.map((quantizer) => quantizer.dispose()));
  for (const module of modules) module.dispose();
  return {
    id: 'batch',
    title: `Batch API: ${LAYERS} layers of ${LAYER_WEIGHTS / 2 ** 20} Mi weights in groups of 128, ${bytes / 2 ** 20} MiB`,
    reference: MEMCPY,
    results,
  };
}
