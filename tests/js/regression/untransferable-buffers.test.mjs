/** One buffer that cannot be transferred made a batch with `transfer: true` reject with a DataCloneError. */
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { firstDifference, randomWeights } from '../support/weights.mjs';

const kWeights = 500;

/** Layers of which only `a` and `z` lie in memory that can change its owner. */
function mixedLayers() {
  const pooled = Buffer.allocUnsafe(kWeights * 4 + 4);
  const places = {
    a: new Float32Array(kWeights),
    memory: new Float32Array(new WebAssembly.Memory({ initial: 1 }).buffer, 64, kWeights),
    pool: new Float32Array(pooled.buffer, Math.ceil(pooled.byteOffset / 4) * 4, kWeights),
    shared: new Float32Array(new SharedArrayBuffer(kWeights * 4)),
    z: new Float32Array(kWeights),
  };
  for (const [index, array] of Object.values(places).entries()) array.set(randomWeights(kWeights, index + 1));
  return places;
}

const lengthsOf = (layers) => Object.values(layers).map(({ length }) => length);

describe.each(['threads', 'workers', 'single'])('transfer, backend %s', (backend) => {
  let quantizer;
  beforeAll(async () => {
    quantizer = await ArrowQuant.create({ backend, threads: 2 });
  });
  afterAll(() => quantizer.dispose());

  test('what stays is read where it is, what can be transferred is', async () => {
    const expected = await quantizer.quantizeBatch(mixedLayers(), 4);
    const layers = mixedLayers();
    const result = await quantizer.quantizeBatch(layers, 4, { transfer: true });
    expect(firstDifference(result, expected)).toBeNull();
    expect(lengthsOf(layers)).toEqual([0, kWeights, kWeights, kWeights, 0]);
  });

  test('so it is where the engine refuses them, as Node 24 and browsers do', async () => {
    const layers = mixedLayers();
    const stay = [layers.memory.buffer, layers.pool.buffer, layers.shared.buffer];
    const { structuredClone } = globalThis;
    const refusing = jest.spyOn(globalThis, 'structuredClone').mockImplementation((value, options) => {
      // Engines may find out in the middle, with some buffers transferred already.
      const { transfer } = options;
      const first = transfer.findIndex((buffer) => stay.includes(buffer));
      if (first === -1) return structuredClone(value, options);
      if (first > 0) structuredClone(null, { transfer: transfer.slice(0, first) });
      throw new DOMException('cannot be transferred', 'DataCloneError');
    });
    try {
      const expected = await quantizer.quantizeBatch(mixedLayers(), 4);
      const result = await quantizer.quantizeBatch(layers, 4, { transfer: true });
      expect(firstDifference(result, expected)).toBeNull();
      expect(lengthsOf(layers)).toEqual([0, kWeights, kWeights, kWeights, 0]);
    } finally {
      refusing.mockRestore();
    }
  });
});
