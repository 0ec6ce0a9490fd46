import {
  appendFileSync,
  chmodSync,
  chownSync,
  linkSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { QuantizeError } from 'arrowquant';
import { FileLock, REVISION, fingerprintOf, nodeFiles, obstacleToTrust } from '../../support/internals.mjs';
import { useFolder } from '../../support/models/folder.mjs';

const folder = useFolder();
const goOn = () => undefined;
const aborted = () => new QuantizeError('aborted');
const kJournal = '.out.gguf.arrowquant-journal';
const kUnfinished = '.out.gguf.arrowquant-resume';
const kLock = '.out.gguf.arrowquant-lock';
const plan = { bytes: 8, inputs: [], resume: { fingerprint: 'the same' } };
const plain = { bytes: 8, inputs: [] };
const open = (given = plan) => nodeFiles.openSink(folder.path('out.gguf'), given);

/** Leaves an output with the tensors a and b. */
async function leave() {
  const sink = await open();
  await sink.write(Buffer.from('aaabbb'), 0);
  await Promise.all(['a', 'b'].map((tensor) => sink.complete(tensor)));
  await sink.discard(aborted());
}

describe('the journal', () => {
  test('does not grow when a run goes on: what is noted is not noted again', async () => {
    await leave();
    const before = readFileSync(folder.path(kJournal), 'utf8');
    for (let run = 0; run < 3; ++run) {
      const sink = await open();
      for (const tensor of sink.completed) await sink.complete(tensor);
      await sink.discard(aborted());
    }
    expect(readFileSync(folder.path(kJournal), 'utf8')).toBe(before);
  });

  test('counts when it is larger than 64 MiB, with lines that are longer than what is read at once', async () => {
    await leave();
    const name = 'x'.repeat(3_000_000);
    for (let index = 0; index < 25; ++index) {
      appendFileSync(folder.path(kJournal), `${JSON.stringify({ completed: `${name}${index}` })}\n`);
    }
    const sink = await open();
    expect(sink.completed.size).toBe(27);
    expect([...sink.completed].at(-1)).toBe(`${name}24`);
    await sink.discard(aborted());
  });

  test('is not passed over when it is too large: the way out is told, and nothing is lost', async () => {
    await leave();
    truncateSync(folder.path(kJournal), 2 ** 28 + 1);
    await expect(open()).rejects.toMatchObject({
      code: 'unwritable_output',
      message: expect.stringMatching(/journal .* delete it to begin anew/),
    });
    expect(folder.list()).toEqual([kJournal, kUnfinished]);
  });
});

describe.each([kJournal, kUnfinished])('%s', (name) => {
  test.each([
    ['is of another owner', (file) => foreign(file), /belongs to another user|can be written/],
    ['can be written by others', (file) => chmodSync(file, 0o622), /can be written by other users/],
    ['has other names', (file) => linkSync(file, folder.path('other')), /has other names/],
  ])('is neither trusted nor removed when it %s', async (_title, spoil, text) => {
    await leave();
    spoil(folder.path(name));
    const before = readFileSync(folder.path(name));
    await expect(open()).rejects.toMatchObject({
      code: 'unwritable_output',
      file: folder.path('out.gguf'),
      message: expect.stringMatching(text),
    });
    await expect(open()).rejects.toThrow(/delete it to begin anew$/);
    expect(folder.list().filter((file) => file !== 'other')).toEqual([kJournal, kUnfinished]);
    expect(readFileSync(folder.path(name)).equals(before)).toBe(true);
  });

  /** Gives the file to someone else, as far as this user may. */
  function foreign(file) {
    if (process.getuid() === 0) chownSync(file, 65534, 65534);
    else chmodSync(file, 0o666);
  }
});

test('only what we alone can have written is trusted, as the file system shows it', () => {
  const own = { uid: 7, mode: 0o100600 };
  const about = { uid: 7, mode: 0o100600, nlink: 1, isFile: () => true };
  expect(obstacleToTrust(about, own)).toBeNull();
  expect(obstacleToTrust({ ...about, uid: 8 }, own)).toMatch(/another user/);
  expect(obstacleToTrust({ ...about, mode: 0o100620 }, own)).toMatch(/written/);
  expect(obstacleToTrust({ ...about, mode: 0o100602 }, own)).toMatch(/written/);
  expect(obstacleToTrust({ ...about, nlink: 2 }, own)).toMatch(/other names/);
  expect(obstacleToTrust({ ...about, isFile: () => false }, own)).toMatch(/regular/);
  // Where all files are everybody's, ours are no different.
  expect(obstacleToTrust({ ...about, mode: 0o100777 }, { uid: 7, mode: 0o100777 })).toBeNull();
});

test('the fingerprint is another one where the same importance is for another tensor', async () => {
  const step = (name, importance) => ({ stored: {}, planned: { name }, places: [], importance });
  const columns = Float32Array.of(1, 2);
  const of = (steps) => fingerprintOf({ sources: [] }, { files: [] }, steps, true, 'a build');
  expect(await of([step('a', columns), step('b')])).not.toBe(await of([step('a'), step('b', columns)]));
});

test('the fingerprint is another one for another build, which names its version', async () => {
  const given = [{ sources: [] }, { files: [] }, [], true];
  const own = await fingerprintOf(...given);
  expect(await fingerprintOf(...given, REVISION)).toBe(own);
  expect(await fingerprintOf(...given, 'another')).not.toBe(own);
  const { version } = JSON.parse(readFileSync(new URL('../../../../package.json', import.meta.url), 'utf8'));
  expect(REVISION).toMatch(/^[\d.]+\+[\da-f]{16}$/);
  expect(REVISION.startsWith(`${version}+`)).toBe(true);
});

test.each(['aborted', 'internal', 'out_of_memory'])('what is done is kept after a failure of code %s', async (code) => {
  const sink = await open();
  await sink.complete('a');
  await sink.discard(new QuantizeError(code));
  expect(folder.list()).toEqual([kJournal, kUnfinished]);
});

test('a run that cannot begin leaves nothing of what it has made', async () => {
  const files = ['out-1.gguf', 'out-2.gguf'].map((name) => ({ name, bytes: 4 }));
  // Both are the same file.
  symlinkSync('out-1.gguf', folder.path('out-2.gguf'));
  await expect(open({ ...plan, files })).rejects.toMatchObject({ code: 'unwritable_output' });
  expect(folder.list()).toEqual(['out-2.gguf']);
});

// Only the superuser can give files away.
if (process.getuid() === 0) {
  test('an unfinished file of another user is not removed when the output is begun anew', async () => {
    await leave();
    rmSync(folder.path(kJournal));
    chownSync(folder.path(kUnfinished), 65534, 65534);
    await expect(open()).rejects.toMatchObject({
      code: 'unwritable_output',
      message: expect.stringMatching(/belongs to another user; delete it to begin anew$/),
    });
    expect(folder.list()).toEqual([kUnfinished]);
  });
}

describe('a process that has begun the output anew, after its lock was deleted,', () => {
  /** A run, and another one that has taken its place. */
  async function replaced() {
    const first = await open();
    await first.write(Buffer.from('aaaa'), 0);
    await first.complete('a');
    rmSync(folder.path(kLock));
    const second = await open({ ...plan, resume: { fingerprint: 'another' } });
    await second.write(Buffer.from('bbbbbbbb'), 0);
    await second.complete('b');
    return { first, second };
  }

  test('loses nothing to the commit of the one that was there before, which rejects', async () => {
    const { first, second } = await replaced();
    const failure = await first.commit(goOn).catch((error) => error);
    expect(failure).toMatchObject({
      code: 'unwritable_output',
      message: expect.stringContaining('another process has deleted or replaced'),
    });
    await first.discard(failure);
    expect(folder.list()).toEqual([kJournal, kLock, kUnfinished]);
    await second.commit(goOn);
    expect(readFileSync(folder.path('out.gguf'), 'utf8')).toBe('bbbbbbbb');
    expect(folder.list()).toEqual(['out.gguf']);
  });

  test('loses nothing to the failure of the one that was there before', async () => {
    const { first, second } = await replaced();
    await first.discard(new QuantizeError('not_finite', { layer: 'c' }));
    expect(folder.list()).toEqual([kJournal, kLock, kUnfinished]);
    await second.discard(aborted());
    const again = await open({ ...plan, resume: { fingerprint: 'another' } });
    expect([...again.completed]).toEqual(['b']);
    await again.discard();
  });
});

describe('a run that is not to be resumed', () => {
  async function runPlainly() {
    const sink = await open(plain);
    await sink.commit(goOn);
  }

  test('removes what an older one has left when it succeeds, and not before', async () => {
    await leave();
    const failing = await open(plain);
    await failing.discard(aborted());
    expect(folder.list()).toEqual([kJournal, kUnfinished]);
    await runPlainly();
    expect(folder.list()).toEqual(['out.gguf']);
  });

  test('removes all files of an older one that was split', async () => {
    const files = ['out-1.gguf', 'out-2.gguf'].map((name) => ({ name, bytes: 4 }));
    const sink = await open({ ...plan, files });
    await sink.complete('a');
    await sink.discard(aborted());
    expect(folder.list().length).toBe(3);
    await runPlainly();
    expect(folder.list()).toEqual(['out.gguf']);
  });

  test('leaves what a running process is at, and what is not ours', async () => {
    await leave();
    const lock = FileLock.take(folder.path(kLock));
    await runPlainly();
    expect(folder.list()).toEqual([kJournal, kLock, kUnfinished, 'out.gguf']);
    lock.release();
    chmodSync(folder.path(kJournal), 0o666);
    await runPlainly();
    expect(folder.list()).toEqual([kJournal, kUnfinished, 'out.gguf']);
  });
});

describe.each([
  ['an output', plain],
  ['an output that can be resumed', plan],
])('%s that is not complete', (_title, given) => {
  test('is nobody else’s to read, and gets its permissions at the end', async () => {
    const mode = (name) => statSync(folder.path(name)).mode & 0o777;
    const unfinished = () => folder.list().filter((name) => /\.partial$|-resume$|-journal$/.test(name));
    const sink = await open(given);
    expect(unfinished().map(mode)).toEqual(unfinished().map(() => 0o600));
    expect(unfinished().length).toBeGreaterThan(0);
    await sink.commit(goOn);
    writeFileSync(folder.path('new'), '');
    expect(mode('out.gguf')).toBe(mode('new'));
    chmodSync(folder.path('out.gguf'), 0o640);
    const again = await open(given);
    expect(unfinished().map(mode)).toEqual(unfinished().map(() => 0o600));
    await again.commit(goOn);
    expect(mode('out.gguf')).toBe(0o640);
    expect(folder.list()).toEqual(['new', 'out.gguf']);
  });
});
