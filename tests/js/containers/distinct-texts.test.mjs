import { describe, expect, test } from '@jest/globals';
import { areDistinctTexts, texts } from '../support/internals.mjs';

const areDistinct = (values) => areDistinctTexts(texts('tokens', values));

const kMany = Array.from({ length: 300_000 }, (_, index) => `Ġ${index.toString(36)}`);

describe('texts of an array in a GGUF', () => {
  test.each([
    ['none', []],
    ['an empty one', ['']],
    ['those of one character', Array.from({ length: 0x800 }, (_, code) => String.fromCharCode(code))],
    ['zeros in any number', Array.from({ length: 300 }, (_, length) => '\0'.repeat(length))],
    ['hundreds of thousands', kMany],
    ['those that differ late', Array.from({ length: 999 }, (_, index) => 'x'.repeat(5000) + index)],
  ])('%s are known to be distinct', (_, values) => {
    expect(areDistinct(values)).toBe(true);
  });

  test.each([
    ['two empty ones', ['', 'a', '']],
    ['the first and the last', [...kMany, kMany[0]]],
    ['two in the middle', [...kMany.slice(0, 1000), 'same', ...kMany.slice(1000), 'same', 'x']],
  ])('with %s are not', (_, values) => {
    expect(areDistinct(values)).toBe(false);
  });
});
