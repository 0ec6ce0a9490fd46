/** Weights in half precision: each result must be that of the floats that they stand for. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant, BLOCK_TYPES } from 'arrowquant';
import createModule from 'arrowquant/wasm';
import { firstDifference, randomSource, sameBytes } from './support/weights.mjs';

/** Node 20 has none: there an array with its name and its bytes stands in. tests/runtimes has the real ones. */
const Halves =
  globalThis.Float16Array ??
  class extends Uint16Array {
    get [Symbol.toStringTag]() {
      return 'Float16Array';
    }
  };
const kInfinityBits = 0x7c00;
const kNanBits = 0x7e01;

/** The value of a half, subnormals too. */
function widened(bits) {
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  const magnitude = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return bits & 0x8000 ? -magnitude : magnitude;
}

/** Halves of all magnitudes up to 2^3, and the same as floats. */
function pairOf(count, seed, buffer = new ArrayBuffer(count * 2), offset = 0) {
  const random = randomSource(seed);
  const bits = new Uint16Array(buffer, offset, count);
  for (let i = 0; i < count; ++i) bits[i] = (random() < 0.5 ? 0x8000 : 0) | Math.floor(random() * 0x4800);
  return { halves: new Halves(buffer, offset, count), floats: Float32Array.from(bits, widened) };
}

describe.each(['threads', 'workers', 'single'])('halves, backend %s', (backend) => {
  let quantizer;
  beforeAll(async () => {
    quantizer = await ArrowQuant.create({ backend, threads: 2 });
  });
  afterAll(() => quantizer.dispose());

  test('reach an accuracy floor with the bits that the floats need', async () => {
    const { halves, floats } = pairOf(5000, 9);
    const results = await Promise.all(
      [halves, floats].map((x) => quantizer.quantizeBatch({ x }, 2, { minCosine: 0.999, fallback: true })),
    );
    expect(firstDifference(...results)).toBeNull();
    const [half, float] = results.map((result) => result.get('x'));
    expect(half.bitWidth).toBeGreaterThan(2);
    expect(half.cosine).toBe(float.cosine);
  });

  /** Layers around the edges of pieces, groups and chunks, among them one of floats, and one with a shape. */
  function layers() {
    const sizes = [0, 1, 127, 4097, 131_072, 300_001];
    const pairs = sizes.map((size, i) => [`layer.${i}`, pairOf(size, i + 1)]);
    const { halves, floats } = pairOf(4096, 99);
    const rest = { float: [floats, floats], shaped: [halves, floats].map((data) => ({ data, shape: [64, 64] })) };
    const side = (index, name) => ({
      ...Object.fromEntries(pairs.map(([layer, pair]) => [layer, pair[name]])),
      ...Object.fromEntries(Object.entries(rest).map(([layer, both]) => [layer, both[index]])),
    });
    return { halves: side(0, 'halves'), floats: side(1, 'floats') };
  }

  test.each([
    [2, { groupSize: 256, symmetric: true }],
    [4, {}],
    [8, { groupSize: 32 }],
    [4, { groupSize: 'tensor' }],
  ])('%i bits with %j: the bytes of the floats', async (bits, options) => {
    const { halves, floats } = layers();
    const expected = await quantizer.quantizeBatch(floats, bits, options);
    expect(firstDifference(await quantizer.quantizeBatch(halves, bits, options), expected)).toBeNull();
    const output = await quantizer.quantizeBatch(floats, bits, options);
    for (const { quantizedData } of output.values()) quantizedData.fill(0);
    const again = await quantizer.quantizeBatch(halves, bits, { ...options, output, transfer: true });
    expect(firstDifference(again, expected)).toBeNull();
    expect(halves['layer.5'].byteLength).toBe(0);
    expect(halves.shaped.data.byteLength).toBe(0);
  });

  test('in shared memory, at any place in it', async () => {
    const { halves, floats } = pairOf(200_000, 5, new SharedArrayBuffer(400_100), 6);
    const expected = await quantizer.quantizeBatch({ data: floats }, 4);
    for (const transfer of [false, true]) {
      const result = await quantizer.quantizeBatch({ data: halves }, 4, { transfer });
      expect(firstDifference(result, expected)).toBeNull();
    }
  });

  test.each([
    [40, BLOCK_TYPES],
    [600, ['Q8_0', 'Q4_0']],
  ])('%i rows of blocks in each of %j', async (rows, types) => {
    const { halves, floats } = pairOf(256 * rows, 7);
    for (const type of types) {
      const expected = await quantizer.encode(floats, type);
      expect(sameBytes(await quantizer.encode({ data: halves, shape: [rows, 256] }, type), expected)).toBe(true);
    }
  });

  test.each([kInfinityBits, kNanBits])('0x%s is refused with its index', async (bad) => {
    const { halves } = pairOf(256 * 1200, 8);
    new Uint16Array(halves.buffer)[200_000] = bad;
    const expected = { name: 'QuantizeError', code: 'not_finite', index: 200_000 };
    for (const groupSize of [128, 'tensor']) {
      const promise = quantizer.quantizeBatch({ halves }, 4, { groupSize });
      await expect(promise).rejects.toMatchObject({ ...expected, layer: 'halves' });
    }
    await expect(quantizer.encode(halves, 'Q4_K')).rejects.toMatchObject(expected);
  });

  test('through the module alone', async () => {
    const module = await createModule({ backend, threads: 2 });
    const { halves, floats } = pairOf(140_000, 9);
    const [ours, theirs] = await Promise.all(
      [halves, floats].map((data) => module.quantizeBatchWithProgress(new Map([['a', data]]), 4)),
    );
    expect(firstDifference(ours, theirs)).toBeNull();
    const blocks = await Promise.all(
      [halves, floats].map((data) => module.encodeBlocks(data.subarray(0, 139_968), 'Q8_0')),
    );
    expect(sameBytes(...blocks)).toBe(true);
    module.dispose();
  });

  test('a shape that does not fit, and a buffer that is gone, are refused as for floats', async () => {
    const { halves } = pairOf(64, 10);
    const misfit = { a: { data: halves, shape: [63] } };
    await expect(quantizer.quantizeBatch(misfit, 4)).rejects.toMatchObject({ code: 'shape_mismatch', layer: 'a' });
    structuredClone(halves.buffer, { transfer: [halves.buffer] });
    await expect(quantizer.quantizeBatch({ halves }, 4)).rejects.toMatchObject({ code: 'detached_buffer' });
    await expect(quantizer.encode(halves, 'Q8_0')).rejects.toMatchObject({ code: 'detached_buffer' });
  });
});
