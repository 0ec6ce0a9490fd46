import { readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../files/support/folder.mjs';
import { float32Tensor, modelFile } from '../files/support/safetensors.mjs';
import { answer, useServers } from '../runtime/support/server.mjs';

const folder = useFolder();
const servers = useServers();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

/** Far more than is read ahead. */
const model = (seed) => modelFile([...'abcdefgh'].map((name) => float32Tensor(name, [1024, 1024], seed)));
const kOld = model(1);
const kNew = model(2);

/** Calls `change` after the second tensor of a run that fails for it, and `changeBack`; gives what the next run writes. */
async function writtenAfter(source, change, changeBack) {
  const sink = folder.path('out.gguf');
  const options = { type: 'Q8_0', resume: true, memoryLimit: 2 ** 24 };
  let tensors = 0;
  const onTensor = () => {
    if (++tensors === 2) change();
  };
  await expect(quantizer.quantizeFile(source, sink, { ...options, onTensor })).rejects.toMatchObject({
    code: 'unreadable_input',
    message: expect.stringContaining('changed while it was read'),
  });
  expect(folder.list().filter((name) => name.includes('arrowquant'))).toEqual([]);
  changeBack();
  await quantizer.quantizeFile(source, sink, options);
  return readFileSync(sink);
}

async function expected() {
  await quantizer.quantizeFile(new Blob([kNew]), folder.path('expected.gguf'), { type: 'Q8_0' });
  return readFileSync(folder.path('expected.gguf'));
}

test('a file that was overwritten and got its old time back was completed with both versions', async () => {
  const input = folder.write('in.safetensors', kOld);
  // Times of whole seconds can be set again.
  const time = Math.floor(statSync(input).mtimeMs / 1000) - 10;
  const setBack = () => utimesSync(input, time, time);
  setBack();
  const overwrite = () => writeFileSync(input, kNew, { flag: 'r+' });
  expect((await writtenAfter(input, overwrite, setBack)).equals(await expected())).toBe(true);
});

test('a file whose server gave it another tag, and then the old one, was completed with both versions', async () => {
  let [contents, etag] = [kOld, '"one"'];
  const { url } = await servers.serve((request, response) => answer(request, response, contents, { etag }));
  const change = () => ([contents, etag] = [kNew, '"two"']);
  const changeBack = () => (etag = '"one"');
  expect((await writtenAfter(url('/m.safetensors'), change, changeBack)).equals(await expected())).toBe(true);
});
