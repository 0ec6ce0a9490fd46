import * as onnx from 'onnxruntime-web';
import { ArrowQuant } from 'arrowquant';
import { measure, sampleWeights, withRatios } from '../lib/measure.mjs';
import { quantizeLinearModel } from '../lib/onnx-model.mjs';

const ROWS = 4096;
const COLUMNS = 4096;
const GROUP = 128;
const OURS = 'ArrowQuant int8, 1 thread';

/** The affine formula to 8 bits as one would write it down in JavaScript. */
function quantizePlainly(weights) {
  const levels = new Uint8Array(weights.length);
  const scales = new Float32Array(weights.length / GROUP);
  const zeroPoints = new Uint8Array(scales.length);
  for (let group = 0; group < scales.length; ++group) {
    const begin = group * GROUP;
    let lo = 0;
    let hi = 0;
    for (let i = begin; i < begin + GROUP; ++i) {
      if (weights[i] < lo) lo = weights[i];
      if (weights[i] > hi) hi = weights[i];
    }
    const scale = (hi - lo) / 255 || 1;
    const zeroPoint = Math.round(-lo / scale);
    scales[group] = scale;
    zeroPoints[group] = zeroPoint;
    for (let i = begin; i < begin + GROUP; ++i) {
      levels[i] = Math.max(0, Math.min(255, Math.round(weights[i] / scale) + zeroPoint));
    }
  }
  return { levels, scales, zeroPoints };
}

/** ONNX Runtime Web is given the scales: it only rounds. */
async function openOnnx(weights) {
  const session = await onnx.InferenceSession.create(quantizeLinearModel(ROWS, COLUMNS, GROUP), {
    executionProviders: ['wasm'],
  });
  const groups = COLUMNS / GROUP;
  const feeds = {
    x: new onnx.Tensor('float32', weights, [ROWS, COLUMNS]),
    scale: new onnx.Tensor('float32', new Float32Array(ROWS * groups).fill(0.002), [ROWS, groups]),
    zero_point: new onnx.Tensor('uint8', new Uint8Array(ROWS * groups).fill(128), [ROWS, groups]),
  };
  return { run: async () => void (await session.run(feeds)), close: () => session.release() };
}

/** 64 MiB to 8 bits in groups of 128, from JavaScript arrays to new JavaScript arrays, one thread each. */
export async function peers({ rounds }) {
  onnx.env.wasm.numThreads = 1;
  const weights = sampleWeights(ROWS * COLUMNS);
  const bytes = weights.byteLength;
  const layers = new Map([['layer', { data: weights, shape: [ROWS, COLUMNS] }]]);
  const [quantizer, single, session] = await Promise.all([
    ArrowQuant.create({ threads: 1 }),
    ArrowQuant.create({ backend: 'single' }),
    openOnnx(weights),
  ]);
  const results = await measure(
    [
      { name: OURS, bytes, run: async () => void (await quantizer.quantizeBatch(layers, 8)) },
      { name: 'ArrowQuant int8, no threads', bytes, run: async () => void (await single.quantizeBatch(layers, 8)) },
      { name: 'ONNX Runtime Web, QuantizeLinear', bytes, run: session.run },
      { name: 'plain JavaScript', bytes, run: () => void quantizePlainly(weights) },
    ],
    rounds,
  );
  await Promise.all([quantizer.dispose(), single.dispose(), session.close()]);
  return {
    id: 'peers',
    title: `Peers: ${bytes / 2 ** 20} MiB to 8 bits in groups of ${GROUP}`,
    note: '  ONNX Runtime Web is given the scales and only rounds; the others find them',
    reference: OURS,
    results: withRatios(results, OURS),
  };
}
