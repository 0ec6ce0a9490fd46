import { File } from 'node:buffer';
import { cpSync, linkSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { startHub } from '../support/hub.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { MemoryFolder } from '../support/models/web-folder.mjs';
import { caseNamed } from './support/cases.mjs';
import { sha256 } from './support/gguf-records.mjs';
import { pickedCase } from './support/picked.mjs';

const folder = useFolder();
let quantizer;
let hub;
const cases = ['bert-st', 'smollm3', 'mistral-sharded'].map((name) => {
  const one = caseNamed(name);
  return { ...one, picked: pickedCase(one) };
});
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
  hub = await startHub(
    Object.fromEntries(
      cases.map(({ folder: model, picked }) => [
        `team/${model}`,
        { files: { ...Object.fromEntries(picked.bytes), 'original/consolidated.00.pth': Buffer.from('weights') } },
      ]),
    ),
  );
});
afterAll(async () => {
  await quantizer.dispose();
  await hub.close();
});

/** What a checkpoint with folders in it may be given as. */
const kPlaces = {
  'a path with slashes behind it': ({ input }) => [`${input}//`],
  'its weights': ({ input, files }) => [
    path.join(
      input,
      Object.keys(files).find((name) => /^model\.safetensors(\.index\.json)?$/u.test(name)),
    ),
  ],
  'the handle of a folder': ({ folder: name, picked }) => [
    new MemoryFolder(Object.fromEntries(picked.bytes), Infinity, name),
  ],
  'Files of a folder': ({ picked }) => [picked.files],
  'Files of a folder, in another order': ({ picked }) => [[...picked.files].reverse()],
  'a model on a hub': ({ folder: name }) => [`hf:team/${name}`, { hubUrl: hub.url }],
};

describe.each(cases)('the checkpoint $folder', (one) => {
  test.each(Object.entries(kPlaces))('gives the same file as its path when it is %s', async (_title, place) => {
    const [source, web] = place(one);
    await quantizer.quantizeFile(source, folder.path('out.gguf'), { ...one.options, ...web, type: 'Q8_0' });
    expect(sha256(readFileSync(folder.path('out.gguf')))).toBe(one.outputs.q8_0.sha256);
  });
});

test('of Files that were chosen one by one only the name is missing', async () => {
  const { picked, options } = cases[2];
  const files = [...picked.bytes].map(([name, bytes]) => new File([bytes], name));
  const settings = { ...options, type: 'Q8_0', name: 'Chosen' };
  const { notes } = await quantizer.quantizeFile(files, folder.path('out.gguf'), settings);
  expect(notes.join('\n')).toContain('which call it "Chosen", and a vocabulary of 488 tokens');
});

test('a file that was found in a folder is not written to', async () => {
  const { input, options } = cases[0];
  cpSync(input, folder.path('in'), { recursive: true });
  const pooling = folder.path('in/1_Pooling/config.json');
  const before = readFileSync(pooling);
  linkSync(pooling, folder.path('out.gguf'));
  const call = quantizer.quantizeFile(folder.path('in'), folder.path('out.gguf'), { ...options, type: 'Q8_0' });
  await expect(call).rejects.toMatchObject({ code: 'unwritable_output', file: folder.path('out.gguf') });
  expect(readFileSync(pooling).equals(before)).toBe(true);
});
