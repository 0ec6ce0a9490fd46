import { describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';

const LAYERS = 10;
const LAYER_WEIGHTS = 3 << 20;

/** Layers that are large enough for pool threads to allocate their results ahead of time. */
function largeLayers() {
  const pattern = Float32Array.from({ length: 4099 }, (_, i) => Math.sin(i * i));
  const all = new Float32Array(LAYERS * LAYER_WEIGHTS);
  for (let at = 0; at < all.length; at += pattern.length) all.set(pattern.subarray(0, all.length - at), at);
  const layer = (i) => [`layer.${i}`, all.subarray(i * LAYER_WEIGHTS, (i + 1) * LAYER_WEIGHTS)];
  return new Map(Array.from({ length: LAYERS }, (_, i) => layer(i)));
}

const bytesOf = ({ quantizedData, scales, zeroPoints }) =>
  [quantizedData, scales, zeroPoints].map((array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength));

describe('results that pool threads have allocated', () => {
  test('hold the same bytes as those of the single-threaded build, each in a buffer of its own', async () => {
    const weights = largeLayers();
    const [threads, single] = await Promise.all([
      ArrowQuant.create({ backend: 'threads', threads: 2 }),
      ArrowQuant.create({ backend: 'single' }),
    ]);
    const result = await threads.quantizeBatch(weights, 8);
    const expected = await single.quantizeBatch(weights, 8);
    for (const [name, layer] of expected) {
      expect(bytesOf(result.get(name)).every((bytes, i) => bytes.equals(bytesOf(layer)[i]))).toBe(true);
    }
    const buffers = [...result.values()].map(({ quantizedData }) => quantizedData.buffer);
    expect(new Set(buffers).size).toBe(LAYERS);
    expect(buffers.map((buffer) => Object.prototype.toString.call(buffer))).not.toContain('[object SharedArrayBuffer]');

    const again = await threads.quantizeBatch(weights, 8, { output: result });
    for (const [name, layer] of again) expect(layer.quantizedData).toBe(result.get(name).quantizedData);
    await Promise.all([threads.dispose(), single.dispose()]);
  });
});
