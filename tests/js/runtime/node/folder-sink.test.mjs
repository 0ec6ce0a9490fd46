import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { QuantizeError } from 'arrowquant';
import { nodeFiles, removeUnfinished } from '../../support/internals.mjs';
import { useFolder } from '../../support/models/folder.mjs';

const folder = useFolder();
const goOn = () => undefined;
const files = [
  { name: 'model.safetensors', bytes: 3 },
  { name: 'config.json', bytes: 2 },
];
const open = (name, more) =>
  nodeFiles.openSink(folder.path(name), { inputs: [], isFolder: true, bytes: 5, files, ...more });

const partNamed = (allNames, name = allNames[0]) => ({
  allNames,
  manifest: { name: `${name}.part.json`, textOf: JSON.stringify },
});

test('files take their names together, in a folder that is made for them', async () => {
  const sink = await open('out');
  expect(sink.files.map(({ name }) => name)).toEqual(files.map(({ name }) => folder.path(`out/${name}`)));
  await sink.files[1].write(Buffer.from('{}'), 0);
  await sink.write(Buffer.from('abc'), 0);
  expect(readdirSync(folder.path('out')).filter((name) => !name.startsWith('.'))).toEqual([]);
  await sink.commit(goOn);
  await sink.discard();
  expect(readdirSync(folder.path('out'))).toEqual(['config.json', 'model.safetensors']);
  expect(readFileSync(folder.path('out/config.json'), 'utf8')).toBe('{}');
});

test('the folder is gone again when it ends early, unless it was there before or has something else in it', async () => {
  for (const [before, left] of [
    [() => undefined, []],
    [() => mkdirSync(folder.path('out')), ['out']],
  ]) {
    before();
    const sink = await open('out');
    await sink.write(Buffer.from('abc'), 0);
    const reason = new QuantizeError('aborted');
    const refuse = () => {
      throw reason;
    };
    await expect(sink.commit(refuse)).rejects.toBe(reason);
    await sink.discard(reason);
    expect(folder.list()).toEqual(left);
  }
  const sink = await open('other');
  folder.write('other/notes.txt', 'mine');
  await sink.discard();
  expect(readdirSync(folder.path('other'))).toEqual(['notes.txt']);
});

test('parts of one folder, begun at the same time, find or make it, and none takes it away from the other', async () => {
  const names = ['a.safetensors', 'b.safetensors'];
  const sinks = await Promise.all(
    names.map((name) => {
      return open('out', { files: [{ name, bytes: 5 }], part: partNamed(names, name) });
    }),
  );
  await sinks[0].discard(new QuantizeError('aborted'));
  await sinks[1].commit(goOn);
  expect(readdirSync(folder.path('out'))).toEqual(['b.safetensors', 'b.safetensors.part.json']);
  await (await open('out', { files: [{ name: names[0], bytes: 5 }], part: partNamed(names) })).commit(goOn);
  const foreign = open('out', { files: [{ name: 'c.safetensors', bytes: 5 }], part: partNamed(['c.safetensors']) });
  await expect(foreign).rejects.toThrow('files of another model');
});

test('nothing is made where there is no room, or one of the files cannot be written', async () => {
  const large = files.map(({ name }) => ({ name, bytes: 2 ** 52 }));
  await expect(open('out', { bytes: 2 ** 53, files: large })).rejects.toMatchObject({ code: 'disk_full' });
  expect(folder.list()).toEqual([]);
  mkdirSync(folder.path('there/config.json'), { recursive: true });
  await expect(open('there')).rejects.toMatchObject({ code: 'unwritable_output' });
  expect(readdirSync(folder.path('there'))).toEqual(['config.json']);
});

test('removeUnfinished() removes the folder with what is in it, and leaves one that is complete', async () => {
  const complete = await open('complete');
  await complete.commit(goOn);
  const sink = await open('out');
  await sink.write(Buffer.from('abc'), 0);
  removeUnfinished();
  expect(folder.list()).toEqual(['complete']);
  await sink.discard();
  expect(readdirSync(folder.path('complete'))).toEqual(['config.json', 'model.safetensors']);
});
