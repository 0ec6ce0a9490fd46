import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import { float32Tensor, modelFile } from '../support/models/safetensors.mjs';

const kOfNoFamily = { type: 'Q8_0', architecture: 'none' };

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

test.each([
  { what: 'is empty', names: [''] },
  { what: 'has a NUL character', names: ['a\0b.weight', 'a\0c.weight'] },
  { what: 'has half of a surrogate pair', names: ['a\ud800.weight', 'a\udc00.weight'] },
])('a name that $what went into a GGUF that readers refuse or whose tensors they mix up', async ({ what, names }) => {
  const source = folder.write('in.safetensors', modelFile(names.map((name) => float32Tensor(name, [4, 32]))));
  const about = { code: 'unwritable_output', layer: names[0], message: expect.stringContaining(what) };
  await expect(quantizer.quantizeFile(source, folder.path('out.gguf'), kOfNoFamily)).rejects.toMatchObject(about);
  await expect(quantizer.plan(source, kOfNoFamily)).rejects.toMatchObject(about);
  expect(folder.list()).toEqual(['in.safetensors']);
});

test('a name with whole surrogate pairs is a name', async () => {
  const source = folder.write('in.safetensors', modelFile([float32Tensor('🏹.weight', [4, 32])]));
  const { tensors } = await quantizer.quantizeFile(source, folder.path('out.gguf'), kOfNoFamily);
  expect(tensors.map(({ outputName }) => outputName)).toEqual(['🏹.weight']);
});
