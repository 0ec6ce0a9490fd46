import { mkdirSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { afterEach, expect, test } from '@jest/globals';
import { nodeFiles } from '../../support/internals.mjs';
import { useFolder } from '../../support/models/folder.mjs';

const folder = useFolder();
const handles = [];
const openFile = async (name, flags) => {
  const handle = await open(folder.path(name), flags);
  handles.push(handle);
  return handle;
};
afterEach(() => Promise.all(handles.splice(0).map((handle) => handle.close())));

const goOn = () => undefined;
const openSink = (sink, plan) => nodeFiles.openSink(sink, { inputs: [], ...plan });

test('reads from a FileHandle, leaves it open, and knows no siblings', async () => {
  folder.write('in', 'some bytes');
  const handle = await openFile('in', 'r');
  const source = await nodeFiles.openSource(handle);
  const into = new Uint8Array(new SharedArrayBuffer(5));
  await source.read(into, 5);
  expect(Buffer.from(into.slice()).toString()).toBe('bytes');
  await expect(source.read(into, 6)).rejects.toMatchObject({ code: 'unreadable_input', file: source.name });
  await expect(source.sibling('in')).rejects.toMatchObject({ code: 'missing_shard', file: 'in' });
  await source.close();
  expect((await handle.read(Buffer.alloc(4), 0, 4, 0)).bytesRead).toBe(4);
});

test('reads from file URLs, as text and as objects', async () => {
  const url = pathToFileURL(folder.write('a b#.gguf', 'some bytes'));
  folder.write('c.gguf', 'other');
  for (const source of [url, url.href]) {
    const opened = await nodeFiles.openSource(source);
    expect([opened.name, opened.size]).toEqual([folder.path('a b#.gguf'), 10]);
    const sibling = await opened.sibling('c.gguf');
    expect(sibling.size).toBe(5);
    await Promise.all([opened.close(), sibling.close()]);
  }
  await expect(nodeFiles.openSource('file://elsewhere/a')).rejects.toMatchObject({ code: 'unreadable_input' });
});

test('the version of a file changes with its bytes', async () => {
  const path = folder.write('in', 'some bytes');
  const first = await nodeFiles.openSource(path);
  const same = await nodeFiles.openSource(path);
  folder.write('in', 'more bytes than that');
  const other = await nodeFiles.openSource(path);
  expect(same.version).toBe(first.version);
  expect(other.version).not.toBe(first.version);
  await Promise.all([first.close(), same.close(), other.close()]);
});

test('writes to a FileHandle: what was there is gone, what is not written is zero, it stays open', async () => {
  folder.write('out', 'the old and longer contents');
  const handle = await openFile('out', 'r+');
  const sink = await openSink(handle, { bytes: 8 });
  await Promise.all([sink.write(Buffer.from('yz'), 5), sink.write(Buffer.from('ab'), 1)]);
  await sink.commit(goOn);
  expect(readFileSync(folder.path('out'), 'latin1')).toBe('\0ab\0\0yz\0');
  await sink.discard();
  expect(readFileSync(folder.path('out')).length).toBe(8);
  expect((await handle.stat()).size).toBe(8);
});

test('after a failure a FileHandle’s file is empty', async () => {
  const handle = await openFile('out', 'w');
  const sink = await openSink(handle, { bytes: 8 });
  await sink.write(Buffer.from('yz'), 5);
  await sink.discard(new Error('failed'));
  expect(readFileSync(folder.path('out')).length).toBe(0);
});

test('refuses handles that cannot work', async () => {
  folder.write('in', 'some bytes');
  mkdirSync(folder.path('sub'));
  const reading = await openFile('in', 'r');
  await expect(openSink(reading, { bytes: 8 })).rejects.toThrow(/not open for writing/);
  const source = await nodeFiles.openSource(folder.path('in'));
  const both = await openFile('in', 'r+');
  await expect(openSink(both, { bytes: 8, inputs: [source] })).rejects.toThrow(/it is the input/);
  await source.close();
  expect(readFileSync(folder.path('in'), 'latin1')).toBe('some bytes');
  const folderHandle = await openFile('sub', 'r');
  await expect(nodeFiles.openSource(folderHandle)).rejects.toThrow(/it is a folder/);
  const appending = await openFile('appended', 'a');
  await expect(openSink(appending, { bytes: 8 })).rejects.toThrow(/it appends/);
  const closed = await open(folder.path('in'), 'r+');
  await closed.close();
  await expect(nodeFiles.openSource(closed)).rejects.toMatchObject({ code: 'unreadable_input' });
  await expect(openSink(closed, { bytes: 8 })).rejects.toMatchObject({ code: 'unwritable_output' });
});
