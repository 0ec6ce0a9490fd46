import { expect, test } from '@jest/globals';
import { Buffer } from 'node:buffer';
import { ArrowQuant } from 'arrowquant';
import { defaultThreads } from './support/internals.mjs';
import { randomWeights, sameBytes } from './support/weights.mjs';

/** A safetensors file of one tensor. */
function fileOf(weights) {
  const entry = { dtype: 'F32', shape: [weights.length], data_offsets: [0, weights.byteLength] };
  const header = new TextEncoder().encode(JSON.stringify({ w: entry }));
  const length = new BigUint64Array([BigInt(header.length)]);
  return Buffer.concat([new Uint8Array(length.buffer), header, new Uint8Array(weights.buffer)]);
}

test.each([
  ['threads', 2, 2],
  ['threads', 32, 32],
  ['threads', 128, 64],
  ['workers', 8, 8],
  ['workers', 32, 16],
  ['single', 32, 1],
])('%s on %i cores takes %i', (backend, cores, threads) => {
  expect(defaultThreads(backend, cores)).toBe(threads);
});

test('the most threads leave room in the heap for batches and windows', async () => {
  const many = await ArrowQuant.create({ threads: 64, startupTimeout: 120_000 });
  const one = await ArrowQuant.create({ threads: 1 });
  const weights = randomWeights(4 << 20);
  const file = fileOf(weights);
  const results = await Promise.all(
    [many, one].map(async (quantizer) => {
      const blocks = await quantizer.encode(weights, 'Q4_K');
      const batch = await quantizer.quantizeBatch(new Map([['layer', weights]]), 4);
      const read = await quantizer.readTensor(file, 'w');
      return [blocks, batch.get('layer').quantizedData, read];
    }),
  );
  for (const [i, array] of results[0].entries()) expect(sameBytes(array, results[1][i])).toBe(true);
  await Promise.all([many.dispose(), one.dispose()]);
}, 240_000);
