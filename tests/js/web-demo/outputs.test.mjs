import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { fileURLToPath } from 'node:url';
import { ArrowQuant } from 'arrowquant';
import { importBundled } from './support/bundled.mjs';

const golden = (name) => fileURLToPath(new URL(`../../golden/${name}`, import.meta.url));
const kFormats = ['onnx', 'mlx', 'compressed-tensors', 'bitsandbytes', 'mlc'];

let settings;
let outputs;
let quantizer;
beforeAll(async () => {
  [settings, outputs] = await Promise.all(['settings.ts', 'outputs.ts'].map((name) => importBundled(name)));
  quantizer = await ArrowQuant.create({ backend: 'single' });
});
afterAll(() => quantizer.dispose());

const settingsOf = (change) => ({ ...settings.DEFAULT_SETTINGS, ...change });

test('a graph stays a graph, and what lies in safetensors can become a folder', () => {
  expect(outputs.outputsFor('onnx')).toEqual(['onnx']);
  expect(outputs.outputsFor('gguf')).toEqual(['gguf', 'safetensors']);
  expect(outputs.outputsFor('safetensors')).toEqual(['gguf', 'safetensors', ...kFormats.slice(1)]);
  expect(Object.keys(outputs.FORMATS)).toEqual(kFormats);
});

describe.each(kFormats)('of %s', (output) => {
  test('the package knows every type and group size that is offered', async () => {
    const model = await quantizer.open(output === 'onnx' ? golden('onnx/bert/model.onnx') : golden('tiny-llama'));
    try {
      const names = new Set();
      for (const { name, groupSizes = [null] } of outputs.FORMATS[output].types) {
        for (const formatGroupSize of groupSizes) {
          const wanted = settingsOf({ output, formatTypes: { [output]: name }, formatGroupSize });
          const { output: planned } = await model.plan(settings.quantizeOptions(wanted));
          expect(planned.bytes).toBeGreaterThan(1000);
          names.add(settings.outputName('model.onnx', wanted));
        }
      }
      expect(names.size).toBe(outputs.FORMATS[output].types.length);
    } finally {
      await model.close();
    }
  });

  test('a type that is not known is the usual one, and a group size that it has not is left out', () => {
    const [usual] = outputs.FORMATS[output].types;
    const wanted = settingsOf({ output, formatTypes: { [output]: 'none' }, formatGroupSize: 7 });
    expect(settings.quantizeOptions(wanted)).toEqual({ ...usual.options, rules: [] });
  });
});

test.each([
  ['onnx', 'model.onnx', 'q4', 'model_q4.onnx'],
  ['onnx', 'model.onnx', 'q8', 'model_quantized.onnx'],
  ['mlx', 'Tiny-Llama', '4 bits', 'Tiny-Llama-mlx-4bit'],
  ['compressed-tensors', 'model.safetensors.index.json', 'W4A16', 'model-W4A16'],
  ['mlc', 'Tiny-Llama', 'q4f16_1', 'Tiny-Llama-q4f16_1'],
])('for %s, %s as %s is called %s', (output, input, name, expected) => {
  expect(settings.outputName(input, settingsOf({ output, formatTypes: { [output]: name } }))).toBe(expected);
});
