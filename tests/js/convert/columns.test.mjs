import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { cutMatrix } from '../support/internals.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { decodeModel } from '../support/onnx/schema.mjs';
import { matMulModel } from '../support/onnx/wire.mjs';
import { randomSource } from '../support/weights.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const kLeastMemory = 16 * 2 ** 20;
const kSeveralStrips = [1026, 5003];

function valuesOf(rows, columns) {
  const random = randomSource(rows + columns);
  return Float32Array.from({ length: rows * columns }, () => random() - 0.5);
}

/** The initializers of what a MatMul with these weights becomes, by the ends of their names. */
async function planesOf([rows, columns], values, options) {
  const source = folder.write('in.onnx', matMulModel(rows, columns, values));
  await quantizer.quantizeFile(source, folder.path('out.onnx'), { type: 'q4', ...options });
  const { graph } = decodeModel(readFileSync(folder.path('out.onnx')));
  return Object.fromEntries(graph.initializer.map(({ name, rawData }) => [name, Buffer.from(rawData)]));
}

describe('Blocks down the columns', () => {
  test.each([
    ['q4', {}],
    ['q2', { type: 'q2', symmetric: false, groupSize: 16 }],
  ])('are the same of a matrix that is cut into strips, and of its columns alone: %s', async (_, options) => {
    const [rows, columns] = kSeveralStrips;
    const values = valuesOf(rows, columns);
    const cut = await planesOf(kSeveralStrips, values, { ...options, memoryLimit: kLeastMemory });
    for (const [first, count] of [
      [0, 3],
      [2400, 200],
      [columns - 2, 2],
    ]) {
      const own = Float32Array.from({ length: rows * count }, (_unused, index) => {
        return values[Math.floor(index / count) * columns + first + (index % count)];
      });
      const alone = await planesOf([rows, count], own, options);
      for (const [name, bytes] of Object.entries(alone)) {
        const perColumn = bytes.length / count;
        expect(cut[name].subarray(first * perColumn, (first + count) * perColumn).equals(bytes)).toBe(true);
      }
    }
  });

  test('row by row are the same whatever memory there is', async () => {
    const values = valuesOf(...kSeveralStrips);
    const options = { onnxForm: 'qdq', symmetric: false };
    const source = folder.path('in.onnx');
    writeFileSync(source, matMulModel(...kSeveralStrips, values, { opset: 21 }));
    const outputs = [];
    for (const memoryLimit of [kLeastMemory, undefined]) {
      await quantizer.quantizeFile(source, folder.path('out.onnx'), { type: 'q4', ...options, memoryLimit });
      outputs.push(readFileSync(folder.path('out.onnx')));
    }
    expect(outputs[0].equals(outputs[1])).toBe(true);
  });

  test.each([
    [1, 1],
    [31, 1],
    [1, 300],
    [33, 7],
    [256, 2],
  ])('of a matrix of %i × %i are there', async (rows, columns) => {
    const { w_Q4: levels, w_scales: scales } = await planesOf([rows, columns], valuesOf(rows, columns), {});
    const blocks = Math.ceil(rows / 32);
    expect([levels.length, scales.length]).toEqual([columns * blocks * 16, columns * blocks * 4]);
  });

  test('are measured as those of other codecs are', async () => {
    const source = folder.write('in.onnx', matMulModel(64, 5, valuesOf(64, 5)));
    const { tensors } = await quantizer.quantizeFile(source, folder.path('out.onnx'), { type: 'nbits', bits: 8 });
    expect(tensors[0].rmse).toBeGreaterThan(0.0001);
    expect(tensors[0].rmse).toBeLessThan(0.003);
  });
});

describe('Cuts of a matrix', () => {
  const codec = { name: 'onnx_blocks', bits: 4, groupSize: 32, symmetric: true };

  test.each([
    ['columns', 4096, 14336],
    ['columns', 70_000, 3],
    ['columns', 7, 200_000],
    ['rows', 4096, 14336],
    ['rows', 7, 200_000],
  ])('cover it once and fit into windows: by %s, %i × %i', (order, rows, columns) => {
    const parts = cutMatrix({ rows, columns, order, encodedRows: rows }, codec, 3 * 2 ** 20);
    const tiles = parts.flatMap((part) => part.tiles);
    const covered = tiles.reduce((sum, tile) => sum + tile.rows * tile.strip.columns, 0);
    expect(covered).toBe(rows * columns);
    for (const { strip, firstRow, rows: own, filledRows } of tiles) {
      expect(filledRows * strip.columns).toBeLessThanOrEqual(2 ** 20);
      expect(firstRow % 64).toBe(0);
      expect(filledRows % 32).toBe(0);
      expect(firstRow + own).toBeLessThanOrEqual(rows);
      expect(strip.first + strip.columns).toBeLessThanOrEqual(columns);
    }
  });
});
