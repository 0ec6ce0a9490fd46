import { describe, expect, test } from '@jest/globals';
import { knownKeys, nameIn, nearestName } from './support/internals.mjs';

const kKnown = { groupSize: true, symmetric: true, rules: true, architecture: true, type: true };

describe('the nearest name', () => {
  test.each([
    ['symetric', 'symmetric'],
    ['group_size', 'groupSize'],
    ['GROUP-SIZE', 'groupSize'],
    ['rule', 'rules'],
    ['Type', 'type'],
    ['tpye', 'type'],
    ['arch', 'architecture'],
  ])('of %p is %p', (text, expected) => {
    expect(nearestName(text, Object.keys(kKnown))).toBe(expected);
  });

  test.each(['', 'x', 'ar', 'batchLength', 'xxxx', 'x'.repeat(50)])('of %p is none', (text) => {
    expect(nearestName(text, Object.keys(kKnown))).toBeUndefined();
  });

  test('is the one with the fewest differences, wherever it stands', () => {
    expect(nearestName('attn_q', ['attn_k', 'attn_v', 'attn_q_', 'attn_qk'])).toBe('attn_q_');
    expect(nearestName('attnq', ['attn_v', 'attn_q'])).toBe('attn_q');
  });
});

describe('known keys', () => {
  test('are let pass, and unknown ones without a value, and symbols', () => {
    knownKeys(null, { rules: 1, type: undefined, other: undefined, [Symbol('mine')]: 1 }, kKnown);
    knownKeys(null, {}, kKnown);
  });

  test.each([
    [null, { symetric: true }, 'Invalid option: there is no option "symetric"; did you mean "symmetric"?'],
    ['rules[1]', { rule: null }, 'Invalid option: rules[1] has no key "rule"; did you mean "rules"?'],
    [
      null,
      { speed: 9 },
      'Invalid option: there is no option "speed"; known are groupSize, symmetric, rules, architecture, type',
    ],
    // What every object inherits is no option.
    [null, { toString: 1 }, /^Invalid option: there is no option "toString"; known are /],
    [null, { 'a\u001b[2J': 1 }, /"a\\u001b\[2J"/],
  ])('in %p: %p is refused', (place, given, message) => {
    expect(() => knownKeys(place, given, kKnown)).toThrow(message);
  });
});

test('names are found in any case of their letters', () => {
  expect(nameIn(['Q4_K', 'keep'], 'q4_k')).toBe('Q4_K');
  expect(nameIn(['Q4_K', 'keep'], 'KEEP')).toBe('keep');
  expect(nameIn(['Q4_K'], 'Q4K')).toBeUndefined();
  expect(nameIn(['Q4_K'], ['Q4_K'])).toBeUndefined();
});
