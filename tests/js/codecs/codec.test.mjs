import { describe, expect, test } from '@jest/globals';
import {
  CODECS,
  affineCodec,
  codecBytes,
  codecLabel,
  codecNamed,
  findTraits,
  isFloat,
  needsRange,
  planeBytes,
  sameCodec,
  traitsOf,
} from '../support/internals.mjs';

const hasParameters = ({ bits, groupSizes }) => bits.length > 0 || groupSizes.length > 0;

test.each(CODECS)('$name is found by its name', (traits) => {
  expect(findTraits(traits.name)).toBe(traits);
  if (hasParameters(traits)) expect(() => codecNamed(traits.name)).toThrow(RangeError);
  else expect(traitsOf(codecNamed(traits.name))).toBe(traits);
});

test.each(['Q4_2', '', 'f16', 'toString', '__proto__'])('%j is no codec', (name) => {
  expect(findTraits(name)).toBeUndefined();
  expect(() => codecNamed(name)).toThrow(RangeError);
  expect(() => traitsOf({ name })).toThrow(RangeError);
});

describe('bytes of planes', () => {
  test.each([
    [codecNamed('F32'), 1000, [4000]],
    [codecNamed('F8_E5M2'), 3, [3]],
    [codecNamed('Q8_0'), 320, [340]],
    [codecNamed('Q6_K'), 512, [420]],
    [affineCodec(4, 64, false), 1000, [500, 64, 16]],
    [affineCodec(4, 64, false), 1001, [501, 64, 16]],
    [affineCodec(2, 0, true), 1001, [251, 4, 1]],
    [affineCodec(8, 0, true), 0, [0, 0, 0]],
    [affineCodec(4, 32, true), 2 ** 50 + 1, [2 ** 49 + 1, 2 ** 47 + 4, 2 ** 45 + 1]],
  ])('of %j, %d weights', (codec, weights, bytes) => {
    expect(bytes.map((_, plane) => planeBytes(codec, plane, weights))).toEqual(bytes);
    expect(codecBytes(codec, weights)).toBe(bytes.reduce((sum, one) => sum + one, 0));
    expect(() => planeBytes(codec, bytes.length, weights)).toThrow(RangeError);
  });
});

test.each([
  [codecNamed('Q4_K'), 'Q4_K'],
  [codecNamed('F16'), 'F16'],
  [affineCodec(4, 128, false), 'int4 g128'],
  [affineCodec(8, 0, true), 'int8 tensor symmetric'],
  [{ name: 'bnb_nf4', bits: 0, groupSize: 64, symmetric: false }, 'bnb_nf4 g64'],
])('%j is called %j', (codec, label) => {
  expect(codecLabel(codec)).toBe(label);
});

test('only what is alike in everything is stored alike', () => {
  const codec = affineCodec(4, 128, false);
  expect(sameCodec(codec, { ...codec })).toBe(true);
  for (const other of [{ bits: 8 }, { groupSize: 64 }, { symmetric: true }, { name: 'F32' }]) {
    expect(sameCodec(codec, { ...codec, ...other })).toBe(false);
  }
});

test('one group over everything needs the range of it, and floats are one plane of numbers', () => {
  expect(needsRange(affineCodec(4, 0, false))).toBe(true);
  expect([affineCodec(4, 32, false), codecNamed('Q4_0'), codecNamed('F16')].some(needsRange)).toBe(false);
  const floats = CODECS.filter((traits) => !hasParameters(traits) && isFloat(codecNamed(traits.name)));
  expect(floats.map(({ name }) => name)).toEqual(['F32', 'F16', 'BF16', 'F8_E4M3', 'F8_E5M2', 'onnx_f16']);
  expect(isFloat(affineCodec(8, 0, false))).toBe(false);
});
