import { expect, test } from '@jest/globals';
import { availableParallelism } from 'node:os';
import { availableCores, coresWithin } from '../support/internals.mjs';

test.each([
  ['200000 100000', 2],
  ['250000 100000', 3],
  ['50000 100000', 1],
  ['6400000 100000', 64],
  ['9900000 100000', 64],
])('a quota of %s leaves %i of 64 cores', (quota, cores) => {
  expect(coresWithin(quota, 64)).toBe(cores);
});

test.each(['max 100000', '-1 100000', '', '0 100000', '100000 0', '100000', 'none at all'])(
  'a quota of "%s" is none',
  (quota) => {
    expect(coresWithin(quota, 64)).toBe(64);
  },
);

test('there is a core at least, and no more than Node counts', () => {
  expect(availableCores()).toBeGreaterThanOrEqual(1);
  expect(availableCores()).toBeLessThanOrEqual(availableParallelism());
});
