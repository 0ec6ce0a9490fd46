import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { afterEach, expect, test } from '@jest/globals';
import { FileLock, ownIdentity, shortHash } from '../../support/internals.mjs';
import { useFolder } from '../../support/models/folder.mjs';
import { fixturePath } from '../../support/child.mjs';

const folder = useFolder();
const children = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

const kEnded = { pid: 2 ** 22 + 1, started: null };
const leaveLock = (holder) => folder.write('lock', JSON.stringify({ ...ownIdentity(), ...holder }));

test.each([
  ['of another container or boot', { ...kEnded, place: 'elsewhere' }],
  ['that does not say where its number counts', { ...kEnded, place: undefined }],
])('a lock of a process %s is refused, with what to do', (_title, holder) => {
  const file = leaveLock(holder);
  expect(() => FileLock.take(file)).toThrow(`has left the lock ${file}; delete it if that process has ended`);
  expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ pid: kEnded.pid });
  expect(folder.list()).toEqual(['lock']);
});

test('a lock says where its number counts', () => {
  const lock = FileLock.take(folder.path('lock'));
  const { pid, place } = JSON.parse(readFileSync(folder.path('lock'), 'utf8'));
  expect(pid).toBe(process.pid);
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  expect(place).toMatch(new RegExp(`^${boot} pid:\\[\\d+\\]$`));
  lock.release();
  expect(folder.list()).toEqual([]);
});

test('a lock that is judged is not replaced by two: one has the right to', () => {
  const file = leaveLock(kEnded);
  const text = readFileSync(file, 'utf8');
  const right = FileLock.take(`${file}-${shortHash(`${statSync(file).ino} ${text}`)}`);
  expect(() => FileLock.take(file)).toThrow(/is writing it/);
  expect(readFileSync(file, 'utf8')).toBe(text);
  right.release();
  FileLock.take(file).release();
  expect(folder.list()).toEqual([]);
});

test('release() leaves a lock that has come in its place', () => {
  const file = folder.path('lock');
  const lock = FileLock.take(file);
  writeFileSync(folder.path('other'), 'of someone else');
  lock.release();
  leaveLock(kEnded);
  lock.release();
  expect(folder.list()).toEqual(['lock', 'other']);
});

test('release() throws nothing when what has come in its place is no file', () => {
  const lock = FileLock.take(folder.path('lock'));
  rmSync(folder.path('lock'));
  mkdirSync(folder.path('lock'));
  lock.release();
  expect(folder.list()).toEqual(['lock']);
});

test('what is no file is refused, not waited for', () => {
  mkdirSync(folder.path('lock'));
  expect(() => FileLock.take(folder.path('lock'))).toThrow(/not a regular file; delete it/);
});

test('of many processes that find a lock of one that has ended, one takes it', async () => {
  const contenders = Array.from({ length: 4 }, () => {
    const child = spawn(process.execPath, [fixturePath('contender.mjs'), folder.path('lock')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    children.push(child);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return { tell: (word) => child.stdin.write(`${word}\n`), answer: async () => (await lines.next()).value };
  });
  const ask = (word) => {
    for (const { tell } of contenders) tell(word);
    return Promise.all(contenders.map(({ answer }) => answer()));
  };
  await ask('hello');
  for (let round = 0; round < 25; ++round) {
    leaveLock({ ...kEnded, round });
    const answers = await ask('take');
    expect(answers.sort()).toEqual(['refused', 'refused', 'refused', 'taken']);
    await ask('release');
    expect(folder.list()).toEqual([]);
  }
});
