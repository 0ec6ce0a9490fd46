import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { KEY_VALUE_TYPES, encodedPair, readKeyValues } from '../support/internals.mjs';
import { float32Tensor, modelFile } from '../support/models/safetensors.mjs';

const valueOf = (type, value) => encodedPair(readKeyValues({ key: { type, value } })[0]);
const refusalOf = (given) => {
  try {
    readKeyValues(given);
  } catch ({ code, message }) {
    return `${code}: ${message}`;
  }
  return 'nothing is wrong';
};

describe('a value is held as it is', () => {
  test.each([
    ['u8', 255, 255],
    ['i8', -128, -128],
    ['u16', 65_535, 65_535],
    ['i16', -32_768, -32_768],
    ['u32', 4_294_967_295, 4_294_967_295],
    ['i32', -2_147_483_648, -2_147_483_648],
    ['i32', 7n, 7],
    ['u64', 2n ** 64n - 1n, 2n ** 64n - 1n],
    ['u64', 2 ** 53 - 1, 2n ** 53n - 1n],
    ['i64', -(2n ** 63n), -(2n ** 63n)],
    ['f32', 0.1, Math.fround(0.1)],
    ['f32', -0, -0],
    ['f64', 0.1, 0.1],
    ['bool', true, true],
    ['bool', false, false],
    ['string', 'grüße 😀', 'grüße 😀'],
    ['STRING', 'a', 'a'],
    ['u8[]', [0, 255], [0, 255]],
    ['i64[]', [-1, 2n], [-1n, 2n]],
    ['f32[]', [1.5, 1e-45], [1.5, Math.fround(1e-45)]],
    ['bool[]', [true, false], [true, false]],
    ['string[]', ['a', '', 'ü'], ['a', '', 'ü']],
  ])('%s %p', (type, given, value) => {
    const pair = valueOf(type, given);
    expect([pair.key, pair.type, pair.value]).toEqual([
      'key',
      type.endsWith('[]') ? 'array' : type.toLowerCase(),
      value,
    ]);
  });

  test('as the bytes of the format', () => {
    const hex = (type, value) => Buffer.from(valueOf(type, value).encoded).toString('hex');
    expect(hex('u16', 0x1234)).toBe('3412');
    expect(hex('i32', -2)).toBe('feffffff');
    expect(hex('i64', -2)).toBe('feffffffffffffff');
    expect(hex('f32', 1)).toBe('0000803f');
    expect(hex('string', 'ab')).toBe('02000000000000006162');
    expect(hex('u16[]', [1, 2])).toBe('020000000200000000000000' + '01000200');
    expect(hex('string[]', ['a'])).toBe('080000000100000000000000' + '010000000000000061');
  });
});

test('pairs come as an object, a Map or pairs, and keep their order', () => {
  const one = { type: 'u32', value: 1 };
  const pairs = [
    ['b.key', one],
    ['a.key', one],
    ['__proto__', one],
  ];
  for (const given of [new Map(pairs), pairs, Object.fromEntries(pairs)])
    expect(readKeyValues(given).map(({ key }) => key)).toEqual(['b.key', 'a.key', '__proto__']);
  for (const none of [undefined, null]) expect(readKeyValues(none)).toBeUndefined();
  expect(readKeyValues({})).toEqual([]);
});

test('what the caller does with them later changes nothing', () => {
  const value = [1, 2];
  const [pair] = readKeyValues({ key: { type: 'i32[]', value } });
  value[0] = 9;
  expect(encodedPair(pair).value).toEqual([1, 2]);
});

describe.each([
  ['u8', [256, -1, 1.5, '1', NaN, null, undefined, true, 2n ** 64n]],
  ['i8', [128, -129]],
  ['u32', [2 ** 32, -1]],
  ['i32', [2 ** 31]],
  ['u64', [2n ** 64n, -1n]],
  ['i64', [2n ** 63n]],
  ['f32', [NaN, Infinity, 1e39, 1n, '1']],
  ['f64', [-Infinity, NaN, {}]],
  ['bool', [0, 'true', null]],
  ['string', [7, ['a'], '\ud800', 'a\udc00']],
  ['i32[]', [1, 'a', new Int32Array(1), { length: 1 }]],
  ['string[]', [[1], ['\ud800'], [undefined], Array(2)]],
])('%s cannot be', (type, values) => {
  test.each(values.map((value) => [value]))('%p', (value) => {
    expect(refusalOf({ 'a.key': { type, value } })).toMatch(
      /^invalid_option: .*keyValues\["a\.key"\]\.value.* must be /,
    );
  });
});

test.each([
  [{ key: { type: 'string', value: '' } }, /keyValues\["key"\] is empty, and files have no empty texts; leave it out/],
  [{ key: { type: 'u8[]', value: [] } }, /is empty, and files have no empty arrays; leave it out/],
  [{ key: { type: 'u64', value: 2 ** 60 } }, /numbers so large are exact as bigints only/],
  [{ key: { type: 'int', value: 1 } }, /keyValues\["key"\]\.type is "int", must be one of u8, u8\[\], i8/],
  [{ key: { value: 1 } }, /keyValues\["key"\]\.type is undefined, must be one of/],
  [{ key: { type: 'u8', vlaue: 1 } }, /has no key "vlaue"; did you mean "value"\?/],
  [{ key: 'value' }, /keyValues\["key"\] is "value", must be an object \{ type, value \}/],
  [{ key: null }, /keyValues\["key"\] is null, must be/],
  [{ '': { type: 'u8', value: 1 } }, /keyValues has an empty key/],
  [{ 'a\u0000b': { type: 'u8', value: 1 } }, /keyValues has the key "a\\u0000b"; keys are/],
  [{ '\udc00': { type: 'u8', value: 1 } }, /keys are well-formed Unicode/],
  [{ ['ä'.repeat(32_768)]: { type: 'u8', value: 1 } }, /at most 65535 bytes/],
  [
    { 'general.architecture': { type: 'string', value: 'llama' } },
    /must not have "general\.architecture", which follows/,
  ],
  [{ 'general.alignment': { type: 'u32', value: 64 } }, /must not have "general\.alignment"/],
  [{ 'split.count': { type: 'u16', value: 2 } }, /must not have "split\.count"/],
  [
    [
      ['key', { type: 'u8', value: 1 }],
      ['key', { type: 'u8', value: 2 }],
    ],
    /keyValues has "key" twice/,
  ],
  ['key=value', /keyValues is "key=value", must be an object, or a Map, of \{ type, value \} by key/],
  [[1], /keyValues is an array, must be/],
  [7, /keyValues is 7, must be/],
])('%j is refused', (given, message) => {
  const said = refusalOf(given);
  expect(said).toMatch(/^invalid_option: /);
  expect(said).toMatch(message);
});

test('the longest key is one', () => {
  const key = `a${'ä'.repeat(32_767)}`;
  expect(readKeyValues({ [key]: { type: 'u8', value: 1 } })[0].key).toBe(key);
});

test('each type is one of scalars, texts and arrays of them', () => {
  expect(KEY_VALUE_TYPES.length).toBe(24);
  for (const type of KEY_VALUE_TYPES)
    expect(refusalOf({ key: { type, value: Symbol.iterator } })).toMatch(/\.value is/);
});

describe('quantizeFile and plan', () => {
  const model = modelFile([float32Tensor('layer.weight', [32, 32])]);
  let quantizer;
  beforeAll(async () => {
    quantizer = await ArrowQuant.create({ backend: 'single' });
  });
  afterAll(() => quantizer.dispose());

  test('read what callers pass before anything else, once', async () => {
    const cause = new Error('mine');
    const throwing = {
      *[Symbol.iterator]() {
        yield ['key', { type: 'u8', value: 1 }];
        throw cause;
      },
    };
    const call = quantizer.plan('/nowhere.safetensors', { type: 'Q8_0', keyValues: throwing });
    await expect(call).rejects.toMatchObject({ code: 'invalid_option', cause });
  });

  test.each([
    [{ keyValues: { key: { type: 'u8', value: 1 } } }, 'keyValues'],
    [{ via: 'F16' }, 'via'],
    [{ name: 'mine' }, 'name'],
    [{ pre: 'qwen2' }, 'pre'],
    [{ chatTemplate: false }, 'chatTemplate'],
  ])('have no use for %j where no GGUF is written', async (options, name) => {
    for (const [more, output] of [
      [{ bits: 4 }, 'affine levels in safetensors'],
      [{ type: 'F16', container: 'safetensors' }, 'F16'],
      [{ format: 'mlx' }, 'MLX'],
      [{ format: 'onnx' }, 'ONNX'],
    ]) {
      const call = quantizer.plan(model, { ...options, ...more });
      const message = expect.stringMatching(
        new RegExp(`${name} has no meaning, because the output is .*${output}`, 'iu'),
      );
      await expect(call).rejects.toMatchObject({ code: 'invalid_option', message });
    }
  });
});
