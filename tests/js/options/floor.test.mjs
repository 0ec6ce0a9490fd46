import { expect, test } from '@jest/globals';
import { readFloor, reaches } from '../support/internals.mjs';

const cosinesOf = (floor) => [2, 4, 8].map((bits) => floor.cosineFor(bits));

const refused = (options) => {
  try {
    readFloor(options);
  } catch (error) {
    return `${error.code}: ${error.message}`;
  }
  return 'not refused';
};

test('there is no floor where none of the options asks for one', () => {
  expect(readFloor({}, 'edge')).toBeNull();
  expect(readFloor({ fallback: false, failFast: false, profile: 'edge' })).toBeNull();
});

test('a number, a profile and cosines by bits are floors', () => {
  expect(cosinesOf(readFloor({ minCosine: 0.8 }))).toEqual([0.8, 0.8, 0.8]);
  expect(cosinesOf(readFloor({ minCosine: 'local' }))).toEqual([0.85, 0.85, 0.85]);
  expect(cosinesOf(readFloor({ minCosine: { 2: 0.7, 8: 0, 4: null } }))).toEqual([0.7, -1, 0]);
});

test('without minCosine the profile that is in force decides, the call before the quantizer', () => {
  expect(cosinesOf(readFloor({ fallback: true }))).toEqual([0.7, 0.9, 0.95]);
  expect(cosinesOf(readFloor({ failFast: true }, 'cloud'))).toEqual([0.95, 0.95, 0.95]);
  expect(cosinesOf(readFloor({ fallback: true, profile: 'edge' }, 'cloud'))).toEqual([0.65, 0.65, 0.65]);
});

test('a type between two widths has the floor of the narrower one', () => {
  const floor = readFloor({ minCosine: { 2: 0.2, 4: 0.4, 8: 0.8 } });
  expect([1.6, 2.6, 3.4, 4.5, 6.6, 8.5, 16].map((bits) => floor.cosineFor(bits))).toEqual([
    ...[0.2, 0.2, 0.2, 0.4, 0.4, 0.8, 0.8],
  ]);
});

test('what is no finite number reaches a floor only where there is none', () => {
  const floor = readFloor({ minCosine: { 4: 0.9 } });
  expect([0.9, 0.8999, null].map((cosine) => reaches(floor, 4, cosine))).toEqual([true, false, false]);
  expect([-1, null].map((cosine) => reaches(floor, 8, cosine))).toEqual([true, true]);
});

test.each([
  [{ minCosine: NaN }, 'minCosine is NaN'],
  [{ minCosine: 1.01 }, 'minCosine is 1.01'],
  [{ minCosine: -0.1 }, 'minCosine is -0.1'],
  [{ minCosine: 'local ' }, 'minCosine is "local "'],
  [{ minCosine: true }, 'minCosine is true'],
  [{ minCosine: {} }, 'minCosine is an object'],
  [{ minCosine: { 4: undefined } }, 'minCosine is an object'],
  [{ minCosine: new Map([[4, 0.9]]) }, 'minCosine is an object'],
  [{ minCosine: [] }, 'minCosine is an array'],
  [{ minCosine: { 3: 0.9 } }, 'known are 2, 4, 8'],
  [{ minCosine: { 4: '0.9' } }, 'minCosine[4] is "0.9", must be a number from 0 to 1'],
  [{ minCosine: { 8: NaN } }, 'minCosine[8] is NaN'],
  [{ fallback: 1 }, 'fallback is 1'],
  [{ failFast: 'yes' }, 'failFast is "yes"'],
])('%p is refused', (options, text) => {
  expect(refused(options)).toMatch(/^invalid_option: /);
  expect(refused(options)).toContain(text);
});
