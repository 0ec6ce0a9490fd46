import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import createModule from 'arrowquant/wasm';
import { StripBuffer, codecNamed, createWindowPool, packed } from '../support/internals.mjs';
import { randomWeights, sameBytes } from '../support/weights.mjs';

const kF32 = codecNamed('F32');
const kF16 = codecNamed('F16');

/** Of golden/onnx/blocks: a map from names to { shape, bytes }. */
const golden = (() => {
  const file = readFileSync(new URL('../../golden/onnx/blocks/blocks.safetensors', import.meta.url));
  const begin = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, begin).toString('utf8'));
  delete header.__metadata__;
  const entries = Object.entries(header).map(
    ([
      name,
      {
        shape,
        data_offsets: [from, to],
      },
    ]) => {
      return [name, { shape, bytes: new Uint8Array(file.subarray(begin + from, begin + to)) }];
    },
  );
  return new Map(entries);
})();

const matrices = [...golden.keys()].filter((name) => name.endsWith('/W')).map((name) => name.slice(0, -2));
const weightsOf = (name) => new Float32Array(golden.get(`${name}/W`).bytes.slice().buffer);
const filledUp = (rows, block) => Math.ceil(rows / block) * block;

let module;
let pool;
beforeAll(async () => {
  module = await createModule({ backend: 'single' });
  pool = createWindowPool(module, 1);
});
afterAll(() => module.dispose());

/** Copies of the planes that `bytes`, the planes of `weights` weights, become. */
const transcode = ([codec, ...bytes], weights, target, options) =>
  pool.lease(async (window) => {
    window.input(weights, codec).forEach((view, plane) => view.set(bytes[plane]));
    const { planes, error } = await window.transcode(weights, { codec }, target, options);
    return Object.assign(
      planes.map((plane) => plane.slice()),
      { error },
    );
  });

const bytesOf = (floats) => new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);

/** The planes of a matrix, its last block filled up. */
function encodeMatrix(weights, { rows, columns }, target, options = {}) {
  const filled = new Float32Array(filledUp(rows, target.groupSize) * columns);
  filled.set(weights);
  return transcode([kF32, bytesOf(filled)], filled.length, target, { rowWeights: columns, rows, ...options });
}

const onnxBlocks = (bits, groupSize, symmetric) => ({ name: 'onnx_blocks', bits, groupSize, symmetric });

/** The planes as MatMulNBits has them. */
function byColumns(planes, codec, matrix) {
  const blocks = Math.ceil(matrix.rows / codec.groupSize);
  const strip = { first: 0, columns: matrix.columns };
  const buffer = new StripBuffer(strip, codec, blocks);
  buffer.put({ strip, firstRow: 0, rows: matrix.rows }, planes);
  return buffer.entries().map(({ bytes }) => bytes);
}

describe.each(matrices)('%s of ONNX Runtime', (name) => {
  const [, rows, columns, groupSize] = /^k(\d+)_n(\d+)_bs(\d+)$/.exec(name).map(Number);
  const matrix = { rows, columns };

  const variants = [2, 4, 8].flatMap((bits) =>
    ['sym', 'asym'].map((kind) => [`b${bits}_${kind}`, bits, kind === 'sym']),
  );

  test.each(variants)('%s, byte by byte', async (variant, bits, symmetric) => {
    const codec = onnxBlocks(bits, groupSize, symmetric);
    const planes = await encodeMatrix(weightsOf(name), matrix, codec);
    const [levels, scales, zeroPoints] = byColumns(planes, codec, matrix);
    expect(sameBytes(levels, golden.get(`${name}/${variant}/packed`).bytes)).toBe(true);
    expect(sameBytes(scales, golden.get(`${name}/${variant}/scales`).bytes)).toBe(true);
    if (!symmetric) expect(sameBytes(zeroPoints, golden.get(`${name}/${variant}/zero_points`).bytes)).toBe(true);
  });

  const older = variants.filter(([variant]) => golden.has(`${name}/${variant}/packed@ort1.20.1`));

  for (const [variant, bits, symmetric] of older) {
    test(`${variant} of onnxruntime 1.20.1, which fills up bytes with zero points`, async () => {
      const codec = onnxBlocks(bits, groupSize, symmetric);
      const planes = await encodeMatrix(weightsOf(name), matrix, codec, { rows: filledUp(rows, 8 / bits) });
      const [levels] = byColumns(planes, codec, matrix);
      expect(sameBytes(levels, golden.get(`${name}/${variant}/packed@ort1.20.1`).bytes)).toBe(true);
    });
  }

  test.each(['sym', 'asym'])('qdq4_%s, byte by byte', async (kind) => {
    const codec = { name: 'onnx_qdq4', bits: 0, groupSize, symmetric: kind === 'sym' };
    const [levels, scales, zeroPoints] = await encodeMatrix(weightsOf(name), matrix, codec);
    const byRows = new Uint8Array(rows * columns);
    for (let at = 0; at < byRows.length; ++at) {
      const [row, column] = [Math.floor(at / columns), at % columns];
      byRows[at] = levels[(Math.floor(row / groupSize) * columns + column) * groupSize + (row % groupSize)];
    }
    expect(sameBytes(packed(byRows, 4), golden.get(`${name}/qdq4_${kind}/packed`).bytes)).toBe(true);
    expect(sameBytes(scales, golden.get(`${name}/qdq4_${kind}/scales`).bytes)).toBe(true);
    if (kind === 'sym') return;
    expect(sameBytes(packed(zeroPoints, 4), golden.get(`${name}/qdq4_${kind}/zero_points`).bytes)).toBe(true);
  });

  test.each(['nf4', 'fp4'])('bnb4_%s, byte by byte', async (kind) => {
    const weights = weightsOf(name);
    const transposed = weights.map((_, at) => weights[(at % rows) * columns + Math.floor(at / rows)]);
    const target = { name: `onnx_bnb_${kind}`, bits: 0, groupSize: 64, symmetric: false };
    const [levels, absmax] = await transcode([kF32, bytesOf(transposed)], transposed.length, target);
    expect(sameBytes(levels, golden.get(`${name}/bnb4_${kind}/packed`).bytes)).toBe(true);
    expect(sameBytes(absmax, golden.get(`${name}/bnb4_${kind}/absmax`).bytes)).toBe(true);
  });
});

test('weights of f16 give what their floats give', async () => {
  const matrix = { rows: 100, columns: 37 };
  const codec = onnxBlocks(4, 32, false);
  const filled = new Float32Array(128 * 37);
  filled.set(randomWeights(3700, 7));
  const [halves] = await transcode([kF32, bytesOf(filled)], filled.length, kF16);
  const [floats] = await transcode([kF16, halves], filled.length, kF32);
  const options = { rowWeights: 37, rows: 100, measure: true };
  const planes = await transcode([kF16, halves], filled.length, codec, options);
  const expected = await encodeMatrix(new Float32Array(floats.buffer, 0, 3700), matrix, codec);
  expect(planes.every((plane, index) => sameBytes(plane, expected[index]))).toBe(true);
  expect(planes.error.squaredError / planes.error.squaredOriginal).toBeLessThan(0.01);
});

test('scales of f16 are what float16.py makes of those of f32', async () => {
  const weights = randomWeights(64 * 9, 8).map((weight, at) => weight * 10 ** ((at % 9) - 8));
  const [levels, scales, zeroPoints] = await encodeMatrix(weights, { rows: 64, columns: 9 }, onnxBlocks(4, 32, true));
  const halved = { ...onnxBlocks(4, 32, true), name: 'onnx_blocks_halved' };
  const planes = await encodeMatrix(weights, { rows: 64, columns: 9 }, halved);
  const [halves] = await transcode([kF32, scales], scales.length / 4, codecNamed('onnx_f16'));
  expect(planes.map((plane, index) => sameBytes(plane, [levels, halves, zeroPoints][index]))).toEqual([
    true,
    true,
    true,
  ]);
});

test('tiles that begin within a byte of levels, or end before the tensor does, are refused', async () => {
  const weights = randomWeights(64 * 8, 9);
  const codec = onnxBlocks(4, 32, true);
  const refused = { code: 'invalid_option' };
  await expect(
    encodeMatrix(weights, { rows: 64, columns: 8 }, codec, { firstRow: 32, rows: 96 }),
  ).rejects.toMatchObject(refused);
  await expect(
    encodeMatrix(weights, { rows: 32, columns: 16 }, codec, { rows: 0, rowWeights: 11 }),
  ).rejects.toMatchObject(refused);
  await expect(
    encodeMatrix(weights, { rows: 64, columns: 8 }, codec, { firstRow: 64, rows: 64 }),
  ).rejects.toMatchObject(refused);
  await expect(
    encodeMatrix(weights, { rows: 64, columns: 8 }, codec, { firstRow: 64, rows: 128 }),
  ).resolves.toHaveLength(3);
});
