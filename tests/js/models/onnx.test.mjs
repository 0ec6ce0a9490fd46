import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import { readModel } from '../support/models/safetensors.mjs';
import { goldenModel } from '../support/onnx/golden.mjs';
import { matMulModel } from '../support/onnx/wire.mjs';
import { randomSource } from '../support/weights.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const [kRows, kColumns] = [75, 13];
const random = randomSource(5);
const kValues = Float32Array.from({ length: kRows * kColumns }, () => random() - 0.4);

async function quantized(options) {
  const source = folder.write('in.onnx', matMulModel(kRows, kColumns, kValues, { opset: 21 }));
  const report = await quantizer.quantizeFile(source, folder.path('out.onnx'), options);
  return { report, source, output: folder.path('out.onnx') };
}

const kOptions = [
  [{ type: 'q4' }],
  [{ type: 'q4', symmetric: false, groupSize: 16 }],
  [{ type: 'q2', symmetric: false }],
  [{ type: 'nbits', bits: 8, groupSize: 64 }],
  [{ type: 'int8' }],
  [{ type: 'uint8' }],
];

describe('A quantized ONNX model', () => {
  test.each(kOptions)('has lost what was measured when it was made: %j', async (options) => {
    const { report, source, output } = await quantized(options);
    const { tensors, onlyInA } = await quantizer.compareFiles(source, output);
    expect(onlyInA).toEqual([]);
    expect(tensors).toHaveLength(1);
    expect(tensors[0].rmse).toBeCloseTo(report.tensors[0].rmse, 12);
    expect(tensors[0].maxError).toBeCloseTo(report.tensors[0].maxError, 12);
  });

  test('is restored under the names, and in the shapes, of the original', async () => {
    const { output } = await quantized({ type: 'q4' });
    const restored = folder.path('restored.safetensors');
    await quantizer.dequantizeFile(output, restored);
    const { tensors } = readModel(readFileSync(restored));
    expect([...tensors.keys()]).toEqual(['w']);
    expect(tensors.get('w')).toMatchObject({ dtype: 'F32', shape: [kRows, kColumns] });
    const values = await quantizer.readTensor(output, 'w', { begin: 20, end: 30 });
    for (const [index, value] of values.entries()) expect(value).toBeCloseTo(kValues[20 + index], 1);
  });

  test('shows its weights as what they were', async () => {
    const { output } = await quantized({ type: 'q4f16', symmetric: false });
    const { tensors } = await quantizer.inspectFile(output);
    expect(tensors).toEqual([expect.objectContaining({ name: 'w', type: 'MatMulNBits int4 g32', shape: [75, 13] })]);
  });

  test('can have embeddings of 4 bits', async () => {
    const output = folder.path('out.onnx');
    for (const symmetric of [true, false]) {
      const options = { type: 'q4', embeddings: true, symmetric };
      const report = await quantizer.quantizeFile(goldenModel('decoder_op21'), output, options);
      const name = 'model.embed_tokens.weight';
      const made = report.tensors.find((tensor) => tensor.name === name);
      const { tensors } = await quantizer.compareFiles(goldenModel('decoder_op21'), output);
      expect(tensors.find((tensor) => tensor.name === name).rmse).toBeCloseTo(made.rmse, 12);
    }
  });
});
