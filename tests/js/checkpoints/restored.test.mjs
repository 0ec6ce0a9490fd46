import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import { caseNamed } from './support/cases.mjs';

const { input } = caseNamed('qwen2-tied-card');

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const tensorsIn = async (file) => {
  const { tensors } = await quantizer.inspectFile(folder.path(file));
  return tensors.map(({ name, shape }) => ({ name, shape }));
};

test.each(['bitsandbytes', 'mlx'])('the floats of a folder for %s, restored beside its config.json', async (format) => {
  await quantizer.quantizeFile(input, folder.path('quantized'), { format });
  const output = folder.path('out.gguf');
  const before = folder.list();
  await expect(quantizer.quantizeFile(folder.path('quantized'), output, { type: 'Q8_0' })).rejects.toThrow();
  expect(folder.list()).toEqual(before);

  const floats = folder.path('quantized/floats.safetensors');
  await quantizer.dequantizeFile(folder.path('quantized'), floats);
  await quantizer.quantizeFile(floats, output, { type: 'Q8_0' });
  await quantizer.quantizeFile(input, folder.path('own.gguf'), { type: 'Q8_0' });
  expect(await tensorsIn('out.gguf')).toEqual(await tensorsIn('own.gguf'));
});

test('weights of a method that is not known are refused with what helps', async () => {
  await quantizer.quantizeFile(input, folder.path('quantized'), { format: 'bitsandbytes' });
  const call = quantizer.quantizeFile(folder.path('quantized'), folder.path('out.gguf'), { type: 'Q8_0' });
  await expect(call).rejects.toMatchObject({
    code: 'unsupported_dtype',
    message: expect.stringContaining(
      'restore its floats to a file beside its config.json (arrowquant dequantize) and give',
    ),
  });
});
