import { afterEach, expect, test } from '@jest/globals';
import { isRunning, ownIdentity, parseIdentity } from '../../support/internals.mjs';

const { kill } = process;
afterEach(() => {
  process.kill = kill;
});

const kEnded = { pid: 2 ** 22 + 1, started: null };

test('a process has ended when the system says that there is none, and only then', () => {
  expect(isRunning(ownIdentity())).toBe(true);
  expect(isRunning(kEnded)).toBe(false);
  // A sandbox that forbids the question, as Deno's, says nothing of the process.
  for (const code of ['EPERM', 'EACCES', 'ENOSYS', 'ERR_ACCESS_DENIED', undefined]) {
    process.kill = () => {
      throw Object.assign(new Error('refused'), { code });
    };
    expect([code, isRunning(kEnded)]).toEqual([code, true]);
  }
});

test.each([0, -1, 1.5, 2 ** 31, '7', null])('%p is no number of a process', (pid) => {
  expect(parseIdentity({ ...ownIdentity(), pid })).toBeNull();
});
