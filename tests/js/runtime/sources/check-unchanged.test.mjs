import { chmodSync, linkSync, renameSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { File } from 'node:buffer';
import { open } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { nodeFiles } from '../../support/internals.mjs';
import { useFolder } from '../../support/models/folder.mjs';
import { answer, useServers } from '../support/server.mjs';

const folder = useFolder();
const servers = useServers();
const kChanged = { code: 'unreadable_input', message: expect.stringContaining('it changed while it was read') };

const setBack = (path) => utimesSync(path, 1_000_000_000, 1_000_000_000);

/** The file system's clock has ticks: waits for a later one than that in which the file was made. */
function untilLater() {
  const made = statSync(folder.path('in'), { bigint: true }).ctimeNs;
  while (statSync(folder.write('clock', ''), { bigint: true }).ctimeNs <= made);
}

/** So that a write in the same tick of the file system's clock is seen too. */
function writeOld(name, contents) {
  const path = folder.write(name, contents);
  setBack(path);
  return path;
}

describe.each(['path', 'handle'])('a file that was opened by %s', (by) => {
  let path;
  let handle;
  let source;
  beforeEach(async () => {
    path = writeOld('in', 'some bytes');
    handle = await open(path, 'r');
    source = await nodeFiles.openSource(by === 'path' ? path : handle);
  });
  afterEach(async () => {
    await source.close();
    await handle.close();
  });

  test('is unchanged when it was read, linked, given permissions, replaced or deleted', async () => {
    await source.read(new Uint8Array(4), 0);
    await source.checkUnchanged();
    linkSync(path, folder.path('link'));
    await source.checkUnchanged();
    chmodSync(path, 0o400);
    await source.checkUnchanged();
    renameSync(folder.write('new', 'other bytes and more of them'), path);
    await source.checkUnchanged();
    rmSync(path);
    await source.checkUnchanged();
  });

  test('has changed when it was overwritten in place', async () => {
    writeFileSync(path, 'SOME BYTES', { flag: 'r+' });
    await expect(source.checkUnchanged()).rejects.toMatchObject({ ...kChanged, file: source.name });
  });

  test('is unchanged when a link to it has come and gone, as of a snapshot, and other permissions', async () => {
    await source.read(new Uint8Array(4), 0);
    untilLater();
    linkSync(path, folder.path('link'));
    rmSync(folder.path('link'));
    await source.checkUnchanged();
    const { mode } = statSync(path);
    chmodSync(path, 0o400);
    chmodSync(path, mode);
    await source.checkUnchanged();
  });

  test('has changed when it was overwritten and its time was set back', async () => {
    await source.read(new Uint8Array(4), 0);
    await source.read(new Uint8Array(4), 4);
    untilLater();
    writeFileSync(path, 'some BYTES', { flag: 'r+' });
    setBack(path);
    await expect(source.checkUnchanged()).rejects.toMatchObject(kChanged);
  });

  test('has changed when it was made shorter or longer', async () => {
    truncateSync(path, 4);
    await expect(source.checkUnchanged()).rejects.toMatchObject(kChanged);
    writeFileSync(path, 'some bytes and more');
    await expect(source.checkUnchanged()).rejects.toMatchObject(kChanged);
  });
});

test('what was overwritten and set back is seen however often the file was read', async () => {
  const path = writeOld('in', Buffer.alloc(8000, 1));
  const source = await nodeFiles.openSource(path);
  for (let position = 0; position < 8000; position += 8) await source.read(new Uint8Array(8), position);
  untilLater();
  setBack(path);
  await source.checkUnchanged();
  // All but the first kilobyte.
  const handle = await open(path, 'r+');
  await handle.write(Buffer.alloc(7000, 2), 0, 7000, 1000);
  await handle.close();
  setBack(path);
  await expect(source.checkUnchanged()).rejects.toMatchObject(kChanged);
  await source.close();
});

test('a file that was only moved has not changed', async () => {
  const path = writeOld('in', 'some bytes');
  const source = await nodeFiles.openSource(path);
  renameSync(path, folder.path('moved'));
  await source.checkUnchanged();
  await source.close();
});

test('a closed handle cannot be looked at', async () => {
  const handle = await open(writeOld('in', 'some bytes'), 'r');
  const source = await nodeFiles.openSource(handle);
  await handle.close();
  await expect(source.checkUnchanged()).rejects.toMatchObject({ code: 'unreadable_input' });
});

test('the file of a FileSystemFileHandle has changed when its size or time is another', async () => {
  const file = (text, lastModified) => new File([text], 'in', { lastModified });
  let now = file('some', 1);
  const handle = { kind: 'file', name: 'in', getFile: async () => now, isSameEntry: async () => false };
  const source = await nodeFiles.openSource(handle);
  await source.checkUnchanged();
  now = file('SOME', 2);
  await expect(source.checkUnchanged()).rejects.toMatchObject(kChanged);
  now = file('longer', 1);
  await expect(source.checkUnchanged()).rejects.toMatchObject(kChanged);
});

test('Blobs cannot change, and servers tell with every answer', async () => {
  const server = await servers.serve((request, response) => answer(request, response, Buffer.from('some bytes')));
  for (const from of [new Blob(['some bytes']), server.url('/a')]) {
    const source = await nodeFiles.openSource(from);
    await source.checkUnchanged();
    await source.close();
  }
});
