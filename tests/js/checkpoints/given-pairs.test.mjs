import { expect, test } from '@jest/globals';
import {
  KeyList,
  f32,
  readCheckpoint,
  readKeyValues,
  refuseOptions,
  setGiven,
  text,
  texts,
} from '../support/internals.mjs';

const optionsOf = ({ keyValues, ...given }) => readCheckpoint({ ...given, keyValues: readKeyValues(keyValues) });

test.each([
  [{ via: 'F16' }, 'via'],
  [{ name: 'mine' }, 'name'],
  [{ pre: 'qwen2' }, 'pre'],
  [{ chatTemplate: false }, 'chatTemplate'],
  [{ keyValues: { key: { type: 'u8', value: 1 } } }, 'keyValues'],
])('%j has no meaning for other models', (given, name) => {
  expect(() => refuseOptions(optionsOf(given), 'the model is of another kind')).toThrow(
    expect.objectContaining({
      code: 'invalid_option',
      message: expect.stringContaining(`${name} has no meaning, because the model is of another kind; leave it out`),
    }),
  );
});

test.each([{}, { chatTemplate: true }, { keyValues: {} }])('%j says nothing', (given) => {
  expect(() => refuseOptions(optionsOf(given), 'it is none')).not.toThrow();
});

test('pairs take the place of those with their keys, and others come last', () => {
  const pairs = new KeyList();
  pairs.set(text('general.name', 'theirs'), f32('llama.rope.freq_base', 10_000), texts('general.tags', ['a']));
  const keyValues = {
    'general.author': { type: 'string', value: 'me' },
    'general.tags': { type: 'string[]', value: ['b', 'c'] },
    'llama.rope.freq_base': { type: 'f32', value: 1e6 },
  };
  setGiven(pairs, optionsOf({ keyValues }));
  expect(pairs.pairs.map(({ key, value }) => [key, value])).toEqual([
    ['general.name', 'theirs'],
    ['llama.rope.freq_base', 1e6],
    ['general.tags', ['b', 'c']],
    ['general.author', 'me'],
  ]);
});

test.each([
  ['general.name', { type: 'u32', value: 1 }, '"general.name" the type u32, but it is of the type string'],
  ['general.name', { type: 'string[]', value: ['a'] }, 'the type string[], but it is of the type string'],
  ['general.tags', { type: 'i32[]', value: [1] }, 'the type i32[], but it is of the type string[]'],
])('%s must not get the value %j, which programs refuse', (key, value, message) => {
  const pairs = new KeyList();
  pairs.set(text('general.name', 'theirs'), texts('general.tags', ['a']));
  expect(() => setGiven(pairs, optionsOf({ keyValues: { [key]: value } }))).toThrow(
    expect.objectContaining({ code: 'invalid_option', message: expect.stringContaining(message) }),
  );
});
