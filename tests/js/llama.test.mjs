import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant, BLOCK_TYPES } from 'arrowquant';
import { blockWeights, randomBytes } from '../peers/block-weights.mjs';
import { openLlama } from '../peers/llama.mjs';
import { randomSource, randomWeights, sameBytes } from './support/weights.mjs';

const llama = openLlama();
const BLOCKS = 6000;
/** Their scales hold any magnitude, or stay at the largest. */
const UNBREAKABLE = ['MXFP4', 'NVFP4'];

let quantizer;

beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

/** Index of the first block that differs, or -1. */
function firstDifferentBlock(ours, theirs, blockBytes) {
  if (ours.length !== theirs.length) return Infinity;
  if (sameBytes(ours, theirs)) return -1;
  return Math.floor(ours.findIndex((byte, i) => byte !== theirs[i]) / blockBytes);
}

/** Blocks whose scales span `decades` powers of ten from `smallest` on. */
function scaledBlocks(blockLength, smallest, decades, seed) {
  const random = randomSource(seed);
  const weights = randomWeights(BLOCKS * blockLength, seed);
  for (let block = 0; block < BLOCKS; ++block) {
    const scale = smallest * 10 ** (random() * decades);
    for (let i = 0; i < blockLength; ++i) weights[block * blockLength + i] *= scale;
  }
  return weights;
}

test('its library is there wherever it runs; elsewhere the golden hashes in tests/cpp stand in for it', () => {
  expect(llama !== null).toBe(process.platform === 'linux' && process.arch === 'x64');
});

describe.each(llama === null ? [] : BLOCK_TYPES)("%s beside llama.cpp's own library", (type) => {
  const { blockWeights: blockLength, blockBytes } = llama.types.get(type);
  const encode = (weights) => {
    if (!llama.needsImportance(type)) return quantizer.encode(weights, type);
    return quantizer.encode(weights, type, { importance: new Float32Array(weights.length).fill(1) });
  };
  const expectSameBlocks = async (weights) => {
    const theirs = llama.encode(type, weights);
    const ours = await encode(weights);
    expect(firstDifferentBlock(ours, theirs, blockBytes)).toBe(-1);
    expect(sameBytes(await quantizer.decode(ours, type), llama.decode(type, theirs))).toBe(true);
  };

  test.each([
    ['like trained weights', 0.05, 0],
    ['with scales over 12 decades', 1e-9, 12],
    ['with scales that underflow half precision', 1e-12, 5],
  ])('the same bytes for blocks %s', async (_, smallest, decades) => {
    await expectSameBlocks(scaledBlocks(blockLength, smallest, decades, 17));
  });

  test.each(blockWeights().map(({ name, weights }) => [name, weights]))('the same bytes for %s', async (_, weights) => {
    await expectSameBlocks(weights);
  });

  test('the same weights for any bytes', async () => {
    const bytes = randomBytes(2000 * blockBytes);
    const [ours, theirs] = [await quantizer.decode(bytes, type), llama.decode(type, bytes)];
    expect(ours.findIndex((weight, i) => !Object.is(weight, theirs[i]))).toBe(-1);
  });

  test('refuses the blocks that llama.cpp breaks, and no others', async () => {
    const weights = scaledBlocks(blockLength, 1e3, 5.5, 23);
    let broken = 0;
    for (let block = 0; block < 400; ++block) {
      const piece = weights.subarray(block * blockLength, (block + 1) * blockLength);
      const theirs = llama.encode(type, piece);
      const isBroken = llama.decode(type, theirs).some((weight) => !Number.isFinite(weight));
      const ours = await encode(piece).catch(({ code, index }) => ({ code, index }));
      if (isBroken) expect(ours).toEqual({ code: 'scale_overflow', index: 0 });
      else expect(firstDifferentBlock(ours, theirs, blockBytes)).toBe(-1);
      broken += Number(isBroken);
    }
    expect(broken > 0).toBe(!UNBREAKABLE.includes(type));
    expect(broken).toBeLessThan(400);
  });
});
