import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { caseNamed } from '../checkpoints/support/cases.mjs';
import { useFolder } from '../support/models/folder.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

test('a GGUF whose weights came through F16 was completed with weights that came through BF16', async () => {
  const { input, options } = caseNamed('gemma3-text');
  const [sink, expected] = [folder.path('out.gguf'), folder.path('expected.gguf')];
  const settings = { ...options, type: 'Q8_0' };
  const controller = new AbortController();
  const onTensor = () => controller.abort();
  const first = { ...settings, via: 'F16', resume: true, signal: controller.signal, onTensor };
  await expect(quantizer.quantizeFile(input, sink, first)).rejects.toMatchObject({ code: 'aborted' });
  await quantizer.quantizeFile(input, sink, { ...settings, via: 'BF16', resume: true });
  await quantizer.quantizeFile(input, expected, { ...settings, via: 'BF16' });
  expect(readFileSync(sink).equals(readFileSync(expected))).toBe(true);
});
