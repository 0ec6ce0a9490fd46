import { ArrowQuant } from 'arrowquant';
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
  ];
}

/** The batch API from JavaScript arrays to JavaScript arrays, beside a plain copy of the same arrays. */
export async function batch({ rounds }) {
  const all = sampleWeights(LAYERS * LAYER_WEIGHTS);
  const sharedAll = new Float32Array(new SharedArrayBuffer(all.byteLength));
  sharedAll.set(all);
  const target = new Float32Array(all.length).fill(1);
  const bytes = all.byteLength;
  const quantizers = await Promise.all([1, 2].map((threads) => ArrowQuant.create({ threads })));
  const cases = [{ name: MEMCPY, bytes, run: () => void target.set(all) }];
  for (const bits of [8, 4, 2]) {
    quantizers.forEach((quantizer, i) => {
      cases.push(...casesFor(quantizer, i + 1, bits, layersOf(all), layersOf(sharedAll), bytes));
    });
  }
  const results = withRatios(await measure(cases, rounds), MEMCPY);
  await Promise.all(quantizers.map((quantizer) => quantizer.dispose()));
  return {
    id: 'batch',
    title: `Batch API: ${LAYERS} layers of ${LAYER_WEIGHTS / 2 ** 20} Mi weights in groups of 128, ${bytes / 2 ** 20} MiB`,
    reference: MEMCPY,
    results,
  };
}
