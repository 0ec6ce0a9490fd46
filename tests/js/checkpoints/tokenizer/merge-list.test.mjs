import { describe, expect, test } from '@jest/globals';
import { MergeList, placeOfMerges } from '../../support/internals.mjs';
import { checkpointOf } from './folder.mjs';

const kEncoder = new TextEncoder();
const parse = (bytes) => JSON.parse(new TextDecoder().decode(bytes));

/** The merges that are found in JSON, and where they are not read in its place. */
function foundIn(json) {
  const bytes = kEncoder.encode(json);
  const place = placeOfMerges(bytes);
  return place === null ? null : [...new MergeList(bytes, place, parse)];
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
      model: { vocab: { merges: 0 }, merges: kMerges[name], last: [2] },
      merges: [3],
    };
    for (const indent of [0, 1]) {
      const file = await read(JSON.stringify(values, null, indent));
      expect([...file.merges]).toEqual(kMerges[name]);
      expect([...file.merges]).toEqual(kMerges[name]);
      expect(file.values).toEqual({ ...values, model: { ...values.model, merges: [] } });
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
    expect(foundIn(json)).toBeNull();
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
