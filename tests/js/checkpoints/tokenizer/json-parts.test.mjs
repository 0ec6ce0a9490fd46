import { describe, expect, test } from '@jest/globals';
import { JsonElements, JsonMembers, placeLargeParts } from '../../support/internals.mjs';
import { checkpointOf } from './folder.mjs';

const kEncoder = new TextEncoder();
const parse = (bytes) => JSON.parse(new TextDecoder().decode(bytes));

/** The merges and the tokens that are found in JSON; undefined where none are, and null where only a parser can tell. */
function foundIn(json) {
  const bytes = kEncoder.encode(json);
  const places = placeLargeParts(bytes);
  if (places === null) return null;
  const { merges, vocabulary } = places;
  return {
    merges: merges === null ? undefined : [...new JsonElements(bytes, merges, parse)],
    vocabulary: vocabulary === null ? undefined : [...new JsonMembers(bytes, vocabulary, parse)],
  };
}

const read = (json) => checkpointOf(new Map([['tokenizer.json', json]])).files.plain('tokenizer.json');

const kMany = Array.from({ length: 30_000 }, (_, index) => [`Ġ"${index}],`, `\\é${index % 7}[`]);

const kMerges = {
  'as texts': ['a b', 'c d'],
  'as pairs': [
    ['a', 'b'],
    ['"\\', ']}'],
  ],
  'of several parts': kMany,
  'of several parts as texts': kMany.map((pair) => pair.join(' ')),
  none: [],
};

describe('the merges of a tokenizer.json, left as bytes', () => {
  test.each(Object.keys(kMerges))('%s are those that a parser finds, however often', async (name) => {
    const values = {
      x: { merges: [1] },
      model: { vocab: { merges: 0, vocab: 1 }, merges: kMerges[name], last: [2] },
      merges: [3],
    };
    for (const indent of [0, 1]) {
      const file = await read(JSON.stringify(values, null, indent));
      expect([...file.merges]).toEqual(kMerges[name]);
      expect([...file.merges]).toEqual(kMerges[name]);
      expect(file.values).toEqual({ ...values, model: { ...values.model, vocab: {}, merges: [] } });
    }
  });

  test.each([
    ['{"model": {"merges": [1]}, "model": {"merges": [2]}}', [2]],
    ['{"model": {"merges": [1], "merges": [2]}}', [2]],
    ['{"model": {"merges": [1], "m\\u0065rges": [2]}}', [2]],
    ['{"mod\\u0065l": {"merges": [2]}}', [2]],
  ])('%s is for a parser to tell', async (json, expected) => {
    expect(foundIn(json)).toBeNull();
    expect([...(await read(json)).merges]).toEqual(expected);
  });

  test.each([
    '{}',
    '{"model": {"merges": {}}}',
    '{"model": ["merges", [1]]}',
    '{"merges": [1]}',
    '{"a": {"model": {"merges": [1]}}}',
  ])('%s has none', async (json) => {
    expect(foundIn(json)?.merges).toBeUndefined();
    expect((await read(json)).merges).toBeNull();
  });

  const long = `"${'x'.repeat(70_000)}"`;

  test.each([
    ['a comma too many', '["a b",]'],
    ['two commas', '["a b",,"c d"]'],
    ['a comma first', '[,"a b"]'],
    ['a comma alone', '[,]'],
    ['a comma too many behind a part', `[${long},]`],
    ['two commas behind a part', `[${long},,${long}]`],
    ['another bracket', '["a b"}'],
    ['an inner bracket too many', '[["a","b"]]]'],
    ['a mark of byte order', `[${long},\uFEFF"a"]`],
    ['no end', '["a b"'],
    ['half of a character', '["\\ud800 b"]'],
    ['no JSON inside', '[a]'],
  ])('with %s are refused', async (_, merges) => {
    await expect(read(`{"model": {"merges": ${merges}}}`)).rejects.toMatchObject({ code: 'invalid_file' });
  });
});

const kTokens = {
  few: { a: 0, '"b"': 1, 'c,{': 2 },
  none: {},
  'of several parts': Object.fromEntries(kMany.map(([left, right], index) => [`${right}}${left}`, index])),
  'with names that objects have': JSON.parse('{"__proto__": 0, "constructor": 1, "toString": 2}'),
  'with names that are numbers': { b: 0, 1: 1, 0: 2 },
};

describe('the vocabulary of a tokenizer.json, left as bytes', () => {
  test.each(Object.keys(kTokens))('%s: its tokens are those that a parser finds, however often', async (name) => {
    const model = { type: 'BPE', vocab: kTokens[name], merges: ['a b'], last: { vocab: { x: 0 } } };
    for (const values of [{ vocab: { y: 0 }, model }, { model: { ...model, merges: undefined } }]) {
      const file = await read(JSON.stringify(values, null, 1));
      expect([...file.vocabulary]).toEqual(Object.entries(kTokens[name]));
      expect([...file.vocabulary]).toEqual(Object.entries(kTokens[name]));
      expect(file.countTokens()).toBe(Object.keys(kTokens[name]).length);
      expect(file.get('model', 'vocab')).toEqual({});
      expect(file.get('model', 'last')).toEqual({ vocab: { x: 0 } });
    }
  });

  test.each([
    ['{"model": {"vocab": {"a": 1}, "vocab": {"b": 2}}}', [['b', 2]]],
    ['{"model": {"vocab": {"a": 1}, "v\\u006fcab": {"b": 2}}}', [['b', 2]]],
    ['{"model": {"vocab": {"a": 1}}, "model": {"vocab": {"b": 2}}}', [['b', 2]]],
  ])('%s is for a parser to tell', async (json, expected) => {
    expect(foundIn(json)).toBeNull();
    expect([...(await read(json)).vocabulary]).toEqual(expected);
  });

  test('lists of pairs, as other kinds of models have them, stay among the values', async () => {
    const vocab = [
      ['a', -1],
      ['b', -2],
    ];
    const file = await read(JSON.stringify({ model: { vocab } }));
    expect(file.vocabulary).toBeNull();
    expect(file.get('model', 'vocab')).toEqual(vocab);
  });

  const long = `"${'x'.repeat(70_000)}": 1`;

  test.each([
    ['a comma too many', '{"a": 1,}'],
    ['a comma alone', '{,}'],
    ['two commas behind a part', `{${long},,"b": 2}`],
    ['a comma too many behind a part', `{${long},}`],
    ['another bracket', '{"a": 1]'],
    ['an inner bracket too many', '{"a": {"b": 1}}}'],
    ['no colon', '{"a", 1}'],
    ['a value too many', '{"a": 1 2}'],
    ['no end', '{"a": 1'],
    ['half of a character', '{"\\ud800": 1}'],
  ])('with %s is refused', async (_, vocabulary) => {
    await expect(read(`{"model": {"vocab": ${vocabulary}}}`)).rejects.toMatchObject({ code: 'invalid_file' });
  });
});
