import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { readGguf } from '../../../peers/tiny-llama.mjs';
import { useFolder } from '../../support/models/folder.mjs';
import { kQuantized } from '../../support/models/quantized.mjs';
import { floatsOf, fromFloats, modelFile, readModel } from '../../support/models/safetensors.mjs';

/** The layers are of no known model. */
const kGeneral = { architecture: 'none' };

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const write = (name, tensors, metadata) => folder.write(name, modelFile(tensors, metadata));

const largest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

function expectValues(actual, { values, tolerance = 0 }) {
  expect(actual).toHaveLength(values.length);
  if (tolerance === 0) return expect(Array.from(actual)).toEqual(values);
  const most = largest(values) * tolerance;
  expect(largest(values.map((value, index) => value - actual[index]))).toBeLessThanOrEqual(most);
}

describe.each(Object.entries(kQuantized))('%s', (_, make) => {
  const layer = make('blocks.0.mlp');
  const name = 'blocks.0.mlp.weight';

  test('has the values that the formula gives, whole and in part', async () => {
    const input = write('in.safetensors', layer.tensors);
    const values = await quantizer.readTensor(input, name);
    expectValues(values, layer);
    const part = await quantizer.readTensor(input, name, { begin: 77, end: 301 });
    expect(Array.from(part)).toEqual(Array.from(values.subarray(77, 301)));
  });

  test('becomes floats in GGUF and safetensors, and what belonged to it goes', async () => {
    const input = write('in.safetensors', [...layer.tensors, fromFloats('a.bias', 'F32', [32], Array(32).fill(0.5))]);
    const report = await quantizer.quantizeFile(input, folder.path('out.gguf'), { type: 'F32', ...kGeneral });
    const { tensors } = readGguf(readFileSync(folder.path('out.gguf')));
    const found = tensors.find((one) => one.name === name);
    expect(tensors.map((one) => one.name).sort()).toEqual(['a.bias', name]);
    expectValues(floatsOf({ dtype: 'F32', bytes: found.bytes }), layer);
    const stored = layer.tensors.filter(({ name: one }) => !/input_(?:global_)?scale$/.test(one));
    const own = report.tensors.find((one) => one.name === name);
    expect(own).toMatchObject({ from: layer.format, to: 'F32', shape: layer.shape });
    expect(report.dropped.map((one) => one.name)).toEqual(
      layer.tensors
        .slice(1)
        .map((one) => one.name)
        .sort(),
    );
    expect(report.dropped.every(({ rule }) => /taken into the weights|for activations/.test(rule))).toBe(true);
    if (own.from.endsWith(' scaled') && own.from.startsWith('F8')) expect(own.bytesBefore).toBe(8 * 256);
    else {
      const configs = stored.filter((one) => one.name.endsWith('.comfy_quant'));
      const bytes = stored.filter((one) => !configs.includes(one)).reduce((sum, one) => sum + one.bytes.length, 0);
      expect(own.bytesBefore).toBe(bytes);
    }
    await quantizer.quantizeFile(input, folder.path('out.safetensors'), { type: 'F32' });
    const restored = readModel(readFileSync(folder.path('out.safetensors'))).tensors;
    expect([...restored.keys()].sort()).toEqual(['a.bias', name]);
    expectValues(floatsOf(restored.get(name)), layer);
  });

  test('is restored, compared and inspected by its values', async () => {
    const input = write('in.safetensors', layer.tensors);
    await quantizer.dequantizeFile(input, folder.path('out.safetensors'), { dtype: 'F32' });
    const restored = readModel(readFileSync(folder.path('out.safetensors'))).tensors;
    expect([...restored.keys()]).toEqual([name]);
    expectValues(floatsOf(restored.get(name)), layer);
    const comparison = await quantizer.compareFiles(input, folder.path('out.safetensors'));
    expect(comparison).toMatchObject({ tensors: [{ name, equal: true }], onlyInA: [], onlyInB: [] });
    const { tensors } = await quantizer.inspectFile(input);
    expect(tensors).toMatchObject([{ name, shape: layer.shape, type: layer.format }]);
  });
});

const kCases = Object.entries(kQuantized).flatMap(([format, make]) => {
  const row = make('').shape.at(-1);
  const types = ['F16', 'BF16', ...(row % 32 === 0 ? ['Q8_0', 'IQ4_NL'] : []), ...(row % 256 === 0 ? ['Q4_K_M'] : [])];
  return types.map((type) => [format, type, make]);
});

test.each(kCases)('%s becomes the same %s as its values do', async (_, type, make) => {
  const layer = make('blocks.0.mlp');
  const name = 'blocks.0.mlp.weight';
  const input = write('in.safetensors', layer.tensors);
  const values = await quantizer.readTensor(input, name);
  const plain = write('plain.safetensors', [fromFloats(name, 'F32', layer.shape, values)]);
  await quantizer.quantizeFile(input, folder.path('out.gguf'), { type, ...kGeneral });
  await quantizer.quantizeFile(plain, folder.path('plain.gguf'), { type, ...kGeneral });
  const [one, other] = ['out.gguf', 'plain.gguf'].map((file) => readGguf(readFileSync(folder.path(file))).tensors[0]);
  expect(one.type).toBe(other.type);
  expect(one.bytes.equals(other.bytes)).toBe(true);
});
