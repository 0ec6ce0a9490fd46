import { describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import createModule from 'arrowquant/wasm';

const BACKENDS = ['threads', 'workers', 'single'];

/** Weights of many chunks, so that a callback of the first layer comes while the second one is being written. */
function twoLayers() {
  const weights = Float32Array.from({ length: 24 << 16 }, (_, i) => Math.sin(i));
  return new Map([
    ['a', weights.subarray(0, 1000)],
    ['b', weights],
  ]);
}

describe.each(BACKENDS)('output arrays, backend %s', (backend) => {
  test('that are detached while a layer is written to them fail that layer, and no other bytes are returned', async () => {
    const quantizer = await ArrowQuant.create({ backend, threads: 1 });
    const weights = twoLayers();
    const expected = await quantizer.quantizeBatch(weights, 8);
    const output = await quantizer.quantizeBatch(weights, 8);
    const detach = () => structuredClone(null, { transfer: [output.get('b').quantizedData.buffer] });
    const call = quantizer.quantizeBatchWithProgress(weights, 8, () => setImmediate(detach), { output });
    const outcome = await call.then(
      (result) => result.get('b').quantizedData,
      (error) => error,
    );
    // When the layer was complete before the buffer went, its array is detached but the promise may resolve.
    if (outcome instanceof Uint8Array) expect([0, expected.get('b').quantizedData.length]).toContain(outcome.length);
    else expect(outcome).toMatchObject({ name: 'QuantizeError', code: 'detached_buffer', layer: 'b' });
    const after = await quantizer.quantizeBatch(weights, 8);
    expect(Buffer.compare(after.get('b').quantizedData, expected.get('b').quantizedData)).toBe(0);
    await quantizer.dispose();
  });
});

describe.each(BACKENDS)('the raw module refuses what it cannot have written, backend %s', (backend) => {
  const layer = (changes) => ({
    quantizedData: new Uint8Array(64),
    scales: new Float32Array(1).fill(1),
    zeroPoints: new Uint8Array(1),
    shape: [128],
    bitWidth: 4,
    groupSize: 128,
    symmetric: false,
    ...changes,
  });

  test.each([
    ['no layer', undefined, 'invalid_weights'],
    ['a bit width', layer({ bitWidth: 5 }), 'invalid_bit_width'],
    [
      'a group size',
      layer({ groupSize: 1, scales: new Float32Array(128), zeroPoints: new Uint8Array(128) }),
      'invalid_option',
    ],
    ['a shape beyond what numbers hold', layer({ shape: [2 ** 40, 2 ** 40] }), 'shape_mismatch'],
    ['a shape that is none', layer({ shape: 'wide' }), 'shape_mismatch'],
    ['too few scales', layer({ scales: new Float32Array(0) }), 'shape_mismatch'],
    ['levels of another type', layer({ quantizedData: new Float32Array(16) }), 'invalid_weights'],
  ])('dequantize: %s', async (_, quantized, code) => {
    const module = await createModule({ backend, threads: 1 });
    await expect(module.dequantize(quantized)).rejects.toMatchObject({ name: 'QuantizeError', code });
    module.dispose();
  });

  test('encodeBlocks and decodeBlocks reject, whatever they are given', async () => {
    const module = await createModule({ backend, threads: 1 });
    const rejects = (promise, code) => expect(promise).rejects.toMatchObject({ name: 'QuantizeError', code });
    await rejects(module.encodeBlocks(undefined, 'Q4_0'), 'invalid_weights');
    await rejects(module.encodeBlocks(new Uint8Array(32), 'Q4_0'), 'invalid_weights');
    await rejects(module.encodeBlocks(new Float32Array(32), 5), 'unknown_type');
    await rejects(module.encodeBlocks(new Float32Array(33), 'Q4_0'), 'row_not_whole_blocks');
    await rejects(module.decodeBlocks(new Uint8Array(17), 'Q4_0'), 'row_not_whole_blocks');
    await rejects(module.decodeBlocks(null, 'Q4_0'), 'invalid_weights');
    module.dispose();
  });

  test('an undefined option is a default', async () => {
    const module = await createModule({ backend, threads: 1 });
    const weights = new Map([['a', new Float32Array(256).fill(1)]]);
    const result = await module.quantizeBatchWithProgress(weights, 4, undefined, { groupSize: undefined });
    expect(result.get('a').groupSize).toBe(128);
    module.dispose();
  });
});
