import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import { parseGguf } from '../support/models/gguf.mjs';
import { fromFloats, modelFile } from '../support/models/safetensors.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

/** All ones in E4M3. */
const ones = (name) => ({ name, dtype: 'F8_E4M3', shape: [2, 32], bytes: Buffer.alloc(64, 0x38) });
const write = (name, factor, factors = [0.5]) =>
  folder.write('in.safetensors', modelFile([ones(name), fromFloats(factor, 'F32', [factors.length], factors)]));

const kNames = [
  ['a.weight', 'a.scale'],
  ['a.experts.gate_up_proj', 'a.experts.gate_up_proj_scale'],
  ['a.experts.down_proj', 'a.experts.down_proj_scale_inv'],
];

test.each(kNames)('the factor of %s was left out because it is called %s', async (name, factor) => {
  const sink = folder.path('out.gguf');
  await quantizer.quantizeFile(write(name, factor), sink, { type: 'F32', architecture: 'none' });
  const { tensors } = parseGguf(readFileSync(sink));
  expect(tensors.map((tensor) => tensor.name)).toEqual([name]);
  expect(tensors[0].bytes.readFloatLE(0)).toBe(0.5);
});

test.each(kNames)('the factors for the rows of %s were left out because they are called %s', async (name, factor) => {
  const values = await quantizer.readTensor(write(name, factor, [0.5, 4]), name);
  expect(Array.from(values)).toEqual([...Array(32).fill(0.5), ...Array(32).fill(4)]);
});

test('fp8 parameters that are themselves called scale are no factors', async () => {
  const source = folder.write('in.safetensors', modelFile([ones('a.query_norm.scale'), ones('a.key_norm.scale')]));
  const { tensors } = await quantizer.plan(source, { type: 'Q8_0', architecture: 'none' });
  expect(tensors.map(({ name, from }) => [name, from])).toEqual([
    ['a.query_norm.scale', 'F8_E4M3'],
    ['a.key_norm.scale', 'F8_E4M3'],
  ]);
});

test('a mode that means nothing for a GGUF was passed over', async () => {
  const source = write('a.weight', 'a.scale');
  for (const mode of ['base', 'no such mode']) {
    await expect(quantizer.plan(source, { type: 'Q8_0', mode })).rejects.toMatchObject({ code: 'invalid_option' });
  }
});
