/** Quantizes random weights in this window, to see that the package has its threads here. */
import { ArrowQuant } from 'arrowquant';
import { rateText } from './text.js';

const LAYERS = 16;
const LAYER_WEIGHTS = 1 << 20;
const GROUP_SIZE = 128;

/**
 * Resolves to what was seen: backend, threads, isolation, bytes of weights a second, and the largest distance of a
 * restored weight from its original, in steps of its group.
 */
export async function quantizeHere() {
  const quantizer = await ArrowQuant.create();
  try {
    const weights = await randomWeights();
    const begin = performance.now();
    const result = await quantizer.quantizeBatch(weights, 4, { groupSize: GROUP_SIZE });
    const seconds = (performance.now() - begin) / 1000;
    let largestError = 0;
    for (const [name, layer] of result) {
      const restored = await quantizer.dequantize(layer);
      largestError = Math.max(largestError, errorInSteps(weights.get(name), restored, layer.scales));
    }
    const { backend, threads } = quantizer;
    const bytesPerSecond = (LAYERS * LAYER_WEIGHTS * 4) / seconds;
    return { backend, threads, isolated: crossOriginIsolated, bytesPerSecond, largestError };
  } finally {
    await quantizer.dispose();
  }
}

/** Made layer by layer, so that the window goes on drawing. */
async function randomWeights() {
  const weights = new Map();
  for (let layer = 0; layer < LAYERS; ++layer) {
    const name = `layer.${String(layer).padStart(2, '0')}.weight`;
    weights.set(
      name,
      new Float32Array(LAYER_WEIGHTS).map(() => Math.random() - Math.random()),
    );
    await new Promise((resolve) => setTimeout(resolve));
  }
  return weights;
}

function errorInSteps(original, restored, scales) {
  let largest = 0;
  for (let index = 0; index < original.length; ++index) {
    const step = scales[Math.floor(index / GROUP_SIZE)];
    largest = Math.max(largest, Math.abs(restored[index] - original[index]) / step);
  }
  return largest;
}

/** Lets the panel's button run the test. */
export function setUpSelfTest() {
  const element = (id) => document.getElementById(id);
  element('test').addEventListener('click', async () => {
    element('test').disabled = true;
    element('test-status').textContent = 'Running…';
    try {
      const { backend, threads, isolated, bytesPerSecond, largestError } = await quantizeHere();
      element('test-backend').textContent = threads > 0 ? `${backend}, ${threads}` : backend;
      element('test-isolated').textContent = isolated ? 'yes' : 'no';
      element('test-speed').textContent = rateText(bytesPerSecond);
      element('test-error').textContent = largestError.toFixed(3);
      element('test-result').hidden = false;
      element('test-status').textContent = '';
    } catch (error) {
      element('test-status').textContent = error.message;
    } finally {
      element('test').disabled = false;
    }
  });
}
