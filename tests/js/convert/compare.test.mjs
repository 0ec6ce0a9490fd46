import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import {
  bfloatTensor,
  float32Tensor,
  fromFloats,
  halfTensor,
  modelFile,
  readModel,
} from '../support/models/safetensors.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const kTensors = [
  float32Tensor('a.f32.weight', [130, 1024], 1),
  halfTensor('b.windows.weight', [1049, 1001], 2),
  bfloatTensor('c.bf16.weight', [257, 129], 3),
  float32Tensor('f.norm.weight', [4096], 4),
  { name: 'h.position_ids', dtype: 'I64', shape: [1, 77], bytes: Buffer.alloc(77 * 8, 'ids') },
  { name: 'i.empty.weight', dtype: 'F32', shape: [0, 64], bytes: Buffer.alloc(0) },
  { name: 'zeros.weight', dtype: 'F32', shape: [40, 40], bytes: Buffer.alloc(40 * 40 * 4) },
];

describe('compareFiles', () => {
  test('names the file of two quantized ones that has an impossible scale', async () => {
    const good = folder.path('good.safetensors');
    await quantizer.quantizeFile(folder.write('in.safetensors', modelFile([kTensors[0]])), good);
    const { metadata, tensors } = readModel(readFileSync(good));
    tensors.get('a.f32.weight.scales').bytes.writeFloatLE(Infinity, 400);
    const bad = folder.write('bad.safetensors', modelFile([...tensors.values()], metadata));
    for (const [a, b] of [
      [good, bad],
      [bad, good],
    ]) {
      const call = quantizer.compareFiles(a, b);
      await expect(call).rejects.toMatchObject({ code: 'invalid_file', file: bad, layer: 'a.f32.weight' });
    }
  });

  test('agrees with the metrics of the report, and finds kept tensors equal', async () => {
    const input = folder.write('in.safetensors', modelFile(kTensors));
    const report = await quantizer.quantizeFile(input, folder.path('out.safetensors'));
    const { tensors, reshaped, onlyInA, onlyInB } = await quantizer.compareFiles(input, folder.path('out.safetensors'));
    expect({ reshaped, onlyInA, onlyInB }).toEqual({ reshaped: [], onlyInA: [], onlyInB: [] });
    for (const [index, one] of report.tensors.entries()) {
      expect(tensors[index]).toMatchObject({ name: one.name, a: one.from, b: one.to });
      if (one.rule !== null || one.name === 'zeros.weight') expect(tensors[index].equal).toBe(true);
      else expect(tensors[index].rmse).toBeCloseTo(one.rmse, 12);
    }
  });

  test('finds one changed byte, tensors that are missing, and other shapes', async () => {
    const changed = float32Tensor('a.weight', [64, 64]);
    changed.bytes[1000] ^= 1;
    const ids = (last) => ({
      name: 'ids',
      dtype: 'I64',
      shape: [2],
      bytes: Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, last]),
    });
    const a = folder.write(
      'a.safetensors',
      modelFile([float32Tensor('a.weight', [64, 64]), float32Tensor('x', [2, 8]), float32Tensor('onlyA', [4]), ids(0)]),
    );
    const b = folder.write(
      'b.safetensors',
      modelFile([changed, float32Tensor('x', [4, 4]), float32Tensor('onlyB', [4]), ids(1)]),
    );
    const comparison = await quantizer.compareFiles(a, b);
    expect(comparison.tensors.map(({ name, equal }) => [name, equal])).toEqual([
      ['a.weight', false],
      ['ids', false],
    ]);
    expect(comparison.reshaped).toEqual([{ name: 'x', a: [2, 8], b: [4, 4] }]);
    expect(comparison).toMatchObject({ onlyInA: ['onlyA'], onlyInB: ['onlyB'] });
    expect((await quantizer.compareFiles(a, a)).tensors.every(({ equal }) => equal)).toBe(true);
  });

  test('says nothing of errors where values are not finite', async () => {
    const values = [NaN, Infinity, 1, 2];
    const a = folder.write('a.safetensors', modelFile([fromFloats('x', 'F32', [4], values)]));
    const b = folder.write('b.safetensors', modelFile([fromFloats('x', 'F16', [4], values)]));
    const c = folder.write('c.safetensors', modelFile([fromFloats('x', 'F16', [4], [NaN, Infinity, 1, 3])]));
    expect((await quantizer.compareFiles(a, b)).tensors[0]).toMatchObject({ equal: true, rmse: null });
    expect((await quantizer.compareFiles(a, c)).tensors[0]).toMatchObject({ equal: false, rmse: null });
  });
});
