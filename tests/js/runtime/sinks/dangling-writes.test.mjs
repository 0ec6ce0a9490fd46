import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { afterEach, expect, test } from '@jest/globals';
import { UnfinishedFile, nodeFiles } from '../../support/internals.mjs';
import { useFolder } from '../../support/models/folder.mjs';

const folder = useFolder();
const handles = [];
afterEach(() => Promise.all(handles.splice(0).map((handle) => handle.close())));

/** A file whose writes wait for `release` once it is held, and that notes what it does, in order. */
async function slowFile() {
  const handle = await open(folder.path('out'), 'w+');
  handles.push(handle);
  const log = [];
  let gate = Promise.resolve();
  let release = null;
  const noted = (name, act) => async () => {
    log.push(name);
    return act();
  };
  const put = async (bytes, position) => {
    await gate;
    const written = await handle.write(bytes, 0, bytes.length, position);
    log.push('written');
    return written;
  };
  const file = {
    fd: handle.fd,
    stat: (options) => handle.stat(options),
    read: (...about) => handle.read(...about),
    truncate: (bytes) => noted(`truncated to ${bytes}`, () => handle.truncate(bytes))(),
    sync: noted('synced', () => handle.sync()),
    datasync: () => handle.datasync(),
    chmod: (mode) => handle.chmod(mode),
    write: (bytes, _offset, _length, position) => put(bytes, position),
    close: noted('closed', () => undefined),
  };
  const writable = {
    ...{ locked: false, seek: () => Promise.resolve(), truncate: () => Promise.resolve() },
    write: ({ data, position }) => put(data, position),
    close: noted('closed', () => undefined),
    abort: noted('aborted', () => undefined),
  };
  const hold = () => {
    gate = new Promise((resolve) => (release = resolve));
    log.length = 0;
  };
  return { file, writable, log, hold, release: () => release() };
}

const openers = {
  'a FileHandle': ({ file }) => nodeFiles.openSink(file, { bytes: 4, inputs: [] }),
  'a writable file': ({ writable }) => nodeFiles.openSink(writable, { bytes: 4, inputs: [] }),
  'an unfinished file': ({ file }) => {
    const target = { name: 'out', path: folder.path('out'), mode: null, bytes: 4 };
    const one = new UnfinishedFile(target, folder.path('out'), file, 0o600);
    return { write: (...about) => one.write(...about), discard: () => one.close() };
  },
};
/** What happens, in order; a writable file hears at once of its end, and puts that behind its writes by itself. */
const kLog = {
  'a FileHandle': ['written', 'truncated to 0'],
  'a writable file': ['aborted', 'written'],
  'an unfinished file': ['written', 'closed'],
};

test.each(Object.keys(openers))(
  'discarding %s ends with the write that is under way, and refuses later ones',
  async (kind) => {
    const slow = await slowFile();
    const sink = await openers[kind](slow);
    slow.hold();
    const writing = sink.write(Buffer.from('late'), 0);
    const discarding = sink.discard();
    await expect(sink.write(Buffer.from('more'), 0)).rejects.toMatchObject({ code: 'unwritable_output' });
    slow.release();
    await Promise.all([writing, discarding]);
    while (slow.log.length < 2) await new Promise((resolve) => setImmediate(resolve));
    expect(slow.log).toEqual(kLog[kind]);
    if (kind === 'a FileHandle') expect(readFileSync(folder.path('out')).length).toBe(0);
  },
);
