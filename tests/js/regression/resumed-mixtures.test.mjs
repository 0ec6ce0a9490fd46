import { readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import { float32Tensor, modelFile } from '../support/models/safetensors.mjs';
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
const kOfNoFamily = { type: 'Q8_0', architecture: 'none' };
const kOld = model(1);
const kNew = model(2);

/** Calls `change` after the second tensor of a run that fails for it, and `changeBack`; gives what the next run writes. */
async function writtenAfter(source, change, changeBack) {
  const sink = folder.path('out.gguf');
  const options = { ...kOfNoFamily, resume: true, memoryLimit: 2 ** 24 };
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
  await quantizer.quantizeFile(new Blob([kNew]), folder.path('expected.gguf'), kOfNoFamily);
  return readFileSync(folder.path('expected.gguf'));
}

describe('a file that was overwritten and got its old time back', () => {
  let input;
  let time;
  const setBack = () => utimesSync(input, time, time);
  const overwrite = () => writeFileSync(input, kNew, { flag: 'r+' });
  beforeEach(() => {
    input = folder.write('in.safetensors', kOld);
    // Times of whole seconds can be set again.
    time = Math.floor(statSync(input).mtimeMs / 1000) - 10;
    setBack();
  });

  test('after the run that noticed it was completed with both versions', async () => {
    expect((await writtenAfter(input, overwrite, setBack)).equals(await expected())).toBe(true);
  });

  test('within a run was completed with both versions', async () => {
    const change = () => {
      // The file system's clock has ticks: the write must fall into a later one.
      const made = statSync(input, { bigint: true }).ctimeNs;
      while (statSync(folder.write('clock', ''), { bigint: true }).ctimeNs <= made);
      overwrite();
      setBack();
    };
    expect((await writtenAfter(input, change, () => undefined)).equals(await expected())).toBe(true);
  });

  test('before a run was aborted was completed with both versions', async () => {
    const sink = folder.path('out.gguf');
    const options = { ...kOfNoFamily, resume: true, memoryLimit: 2 ** 24 };
    const abort = new AbortController();
    let tensors = 0;
    const onTensor = () => {
      if (++tensors < 2) return;
      overwrite();
      abort.abort('enough');
    };
    const call = quantizer.quantizeFile(input, sink, { ...options, onTensor, signal: abort.signal });
    // A read that is under way may notice the change before the abort is heard.
    await expect(call).rejects.toMatchObject({ code: expect.stringMatching(/^(?:aborted|unreadable_input)$/u) });
    setBack();
    await quantizer.quantizeFile(input, sink, options);
    expect(readFileSync(sink).equals(await expected())).toBe(true);
  });
});

test('a file whose server gave it another tag, and then the old one, was completed with both versions', async () => {
  let [contents, etag] = [kOld, '"one"'];
  const { url } = await servers.serve((request, response) => answer(request, response, contents, { etag }));
  const change = () => ([contents, etag] = [kNew, '"two"']);
  const changeBack = () => (etag = '"one"');
  expect((await writtenAfter(url('/m.safetensors'), change, changeBack)).equals(await expected())).toBe(true);
});
