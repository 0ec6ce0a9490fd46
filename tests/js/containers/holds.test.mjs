import { expect, test } from '@jest/globals';
import { CODECS, containerNamed, nodeFiles, openFiles, tensorsOf } from '../support/internals.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { modelFile } from '../support/models/safetensors.mjs';

const folder = useFolder();
const [safetensors, gguf, arrow] = ['safetensors', 'gguf', 'arrow'].map(containerNamed);

/** What holds a type, by where it comes from: a codec, a safetensors, a GGUF, another container. */
const held = (container, type) =>
  [undefined, 'safetensors', 'gguf', 'other'].map((from) => Number(container.holds(type, from))).join('');

test.each([
  // [type, held by a safetensors, held by a GGUF, held by an Arrow file]
  [{ name: 'F32' }, '1111', '1111', '1111'],
  [{ name: 'BF16' }, '1111', '1111', '0000'],
  [{ name: 'F64' }, '1111', '1111', '0000'],
  [{ name: 'I8' }, '1111', '1111', '1111'],
  [{ name: 'I64' }, '1111', '1111', '1111'],
  [{ name: 'F8_E4M3' }, '1111', '0000', '0000'],
  [{ name: 'BOOL' }, '1111', '0000', '0000'],
  [{ name: 'U8' }, '1111', '0000', '1111'],
  [{ name: 'F4' }, '1100', '0000', '0000'],
  [{ name: 'Z17', unknown: true }, '0100', '0000', '0000'],
  [{ name: 'Q4_K' }, '0100', '1010', '0000'],
  [{ name: 'MXFP4' }, '0100', '1010', '0000'],
  [{ name: 'ggml type 99', id: 99 }, '0100', '0010', '0000'],
])('%j is held by a safetensors from %s, by a GGUF from %s, by an Arrow file from %s', (type, ...expected) => {
  expect([safetensors, gguf, arrow].map((one) => held(one, type))).toEqual(expected);
});

test('a GGUF holds every codec that ggml has, and no other', () => {
  for (const { name, ggmlType } of CODECS)
    expect([name, gguf.holds({ name }, undefined)]).toEqual([name, ggmlType !== null]);
});

test('a type of a safetensors that is called as a block codec is not taken for it', async () => {
  const tensor = { name: 'x', dtype: 'Q4_K', shape: [256], bytes: Buffer.alloc(144) };
  const files = await openFiles(await nodeFiles.openSource(folder.write('in.safetensors', modelFile([tensor]))));
  await files.close();
  expect(tensorsOf(files)).toMatchObject([{ name: 'x', codec: null, dtype: 'Q4_K', container: 'safetensors' }]);
});
