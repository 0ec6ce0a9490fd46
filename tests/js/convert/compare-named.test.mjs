import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { caseNamed, kCases } from '../checkpoints/support/cases.mjs';
import { useFolder } from '../support/models/folder.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const converted = async ({ input, options }, type) => {
  await quantizer.quantizeFile(input, folder.path('out.gguf'), { ...options, type });
  return folder.path('out.gguf');
};

test.each(kCases.map(({ name }) => name))('%s is compared with the GGUF of it', async (name) => {
  const gguf = await converted(caseNamed(name), 'F32');
  const { tensors, ...others } = await quantizer.compareFiles(caseNamed(name).input, gguf);
  expect(others).toMatchObject({ reshaped: [], onlyInA: [], onlyInB: [] });
  const written = (await quantizer.inspectFile(gguf)).tensors.map((tensor) => tensor.name);
  expect(tensors.map((tensor) => tensor.name)).toEqual(written.sort());
  expect(tensors.filter(({ equal }) => !equal)).toEqual([]);
});

test('so it is the other way round, with a quantized one whose shapes have lost an extent of 1', async () => {
  const { input, options } = caseNamed('roberta');
  const gguf = await converted({ input, options }, 'Q4_0');
  const { tensors, ...others } = await quantizer.compareFiles(gguf, input);
  expect(others).toMatchObject({ reshaped: [], onlyInA: [], onlyInB: [] });
  const quantized = tensors.filter(({ a }) => a === 'Q4_0');
  expect(quantized.length).toBeGreaterThan(0);
  for (const { equal, cosine } of quantized) expect([equal, cosine > 0.98]).toEqual([false, true]);
});

test('a model of which no GGUF can be made is refused beside one, and not found to have nothing in common', async () => {
  const gguf = await converted(caseNamed('olmo2'), 'F32');
  cpSync(caseNamed('olmo2').input, folder.path('strange'), { recursive: true });
  const config = path.join(folder.path('strange'), 'config.json');
  writeFileSync(config, readFileSync(config, 'utf8').replace('Olmo2ForCausalLM', 'StrangeForCausalLM'));
  await expect(quantizer.compareFiles(folder.path('strange'), gguf)).rejects.toMatchObject({
    code: 'unsupported_model',
  });
});
