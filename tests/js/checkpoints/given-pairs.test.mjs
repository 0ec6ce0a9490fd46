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
  u32,
} from '../support/internals.mjs';

const optionsOf = ({ keyValues, ...given }) => readCheckpoint({ ...given, keyValues: readKeyValues(keyValues) });

test.each([
  [{ via: 'F16' }, 'via'],
  [{ name: 'mine' }, 'name'],
  [{ pre: 'qwen2' }, 'pre'],
  [{ chatTemplate: false }, 'chatTemplate'],
  [{ keyValues: { key: { type: 'u8', value: 1 } } }, 'keyValues'],
])('%j has no meaning for other models', (given, name) => {
  expect(() => refuseOptions(optionsOf(given), { carried: null }, 'the model is of another kind')).toThrow(
    expect.objectContaining({
      code: 'invalid_option',
      message: expect.stringContaining(`${name} has no meaning, because the model is of another kind; leave it out`),
    }),
  );
});

test.each([{}, { chatTemplate: true }, { keyValues: {} }])('%j says nothing', (given) => {
  expect(() => refuseOptions(optionsOf(given), { carried: null }, 'it is none')).not.toThrow();
});

const modelOf = (architecture) => {
  const pairs = new KeyList();
  pairs.set(text('general.architecture', architecture), text('general.name', 'theirs'));
  pairs.set(u32(`${architecture}.context_length`, 2048), f32(`${architecture}.rope.freq_base`, 10_000));
  pairs.set(u32(`${architecture}.block_count`, 2), texts('general.tags', ['a']));
  pairs.set(text('tokenizer.ggml.model', 'gpt2'), texts('tokenizer.ggml.tokens', ['a', 'b', 'c']));
  pairs.set(u32('tokenizer.ggml.eos_token_id', 2));
  return pairs;
};

const set = (pairs, keyValues, { weights = [], ...options } = {}) => {
  setGiven(pairs, weights, optionsOf({ keyValues, ...options }));
  return Object.fromEntries(pairs.pairs.map(({ key, value }) => [key, value]));
};

test('pairs take the place of those with their keys, and others come last', () => {
  const pairs = modelOf('llama');
  const before = pairs.pairs.map(({ key }) => key);
  const keyValues = {
    'general.author': { type: 'string', value: 'me' },
    'general.tags': { type: 'string[]', value: ['b', 'c'] },
    'llama.rope.freq_base': { type: 'f32', value: 1e6 },
    'llama.rope.scaling.type': { type: 'string', value: 'yarn' },
    'llama.context_length': { type: 'u32', value: 1 },
    'llama.pooling_type': { type: 'u32', value: 3 },
    'tokenizer.ggml.pre': { type: 'string', value: 'qwen2' },
    'tokenizer.ggml.bos_token_id': { type: 'u32', value: 2 },
    'tokenizer.ggml.add_bos_token': { type: 'bool', value: true },
    'tokenizer.ggml.add_eos_token': { type: 'bool', value: true },
    'tokenizer.chat_template.tool_use': { type: 'string', value: '{{ messages }}' },
    'my.block_count': { type: 'u8[]', value: [1] },
    'llamas.block_count': { type: 'u8', value: 1 },
  };
  const after = set(pairs, keyValues);
  const added = Object.keys(keyValues).filter((key) => !before.includes(key));
  expect(Object.keys(after)).toEqual([...before, ...added]);
  expect(after).toMatchObject(Object.fromEntries(Object.entries(keyValues).map(([key, { value }]) => [key, value])));
});

const follows = 'follows from the model itself; leave it out';

test.each([
  ['general.name', 'u32', 1, '"general.name" the type u32, but it is of the type string'],
  ['general.name', 'string[]', ['a'], 'the type string[], but it is of the type string'],
  ['general.tags', 'i32[]', [1], 'the type i32[], but it is of the type string[]'],
  ['general.author', 'u32', 1, 'the type u32, but it is of the type string'],
  ['general.type', 'string', 'adapter', follows],
  ['qwen2.block_count', 'u32', 1, follows],
  ['qwen2.expert_count', 'u32', 2, follows],
  ['qwen2.unheard_of', 'u32', 2, follows],
  ['qwen2.__proto__', 'u32', 2, follows],
  ['qwen2.context_length', 'u64', 4096, 'the type u64, but it is of the type u32'],
  ['qwen2.context_length', 'u32', 0, 'must be at least 1'],
  ['qwen2.rope.freq_base', 'f32', 0, 'must be a number above 0'],
  ['qwen2.rope.scaling.type', 'u32', 3, 'the type u32, but it is of the type string'],
  ['qwen2.rope.scaling.type', 'string', 'dynamic', 'must be none, linear, yarn, longrope'],
  ['qwen2.pooling_type', 'u32', 4, 'must be 0, 1, 2 or 3'],
  ['llama.context_length', 'u32', 8192, 'nobody reads in a model of the architecture "qwen2"'],
  ['tokenizer.ggml.model', 'string', 'llama', follows],
  ['tokenizer.ggml.tokens', 'string[]', ['a', 'b', 'd'], follows],
  ['tokenizer.ggml.scores', 'f32[]', [1], follows],
  ['tokenizer.ggml.pre', 'string', 'nope', 'must be one of '],
  ['tokenizer.ggml.bos_token_id', 'u32', 3, 'must be the id of a token of the vocabulary'],
  ['tokenizer.ggml.add_bos_token', 'u8', 1, 'the type u8, but it is of the type bool'],
  ['tokenizer.ggml.add_bos_token', 'bool', true, 'needs "tokenizer.ggml.bos_token_id", and the model has none'],
])('%s must not get a value %s %j, which programs refuse', (key, type, value, message) => {
  expect(() => set(modelOf('qwen2'), { [key]: { type, value } })).toThrow(
    expect.objectContaining({ code: 'invalid_option', message: expect.stringContaining(message) }),
  );
});

test('a context is as long as there are embeddings of positions', () => {
  const keyValues = { 'bert.context_length': { type: 'u32', value: 1024 } };
  expect(set(modelOf('bert'), keyValues)['bert.context_length']).toBe(1024);
  const weights = [{ name: 'position_embd.weight' }];
  expect(() => set(modelOf('bert'), keyValues, { weights })).toThrow(
    expect.objectContaining({ code: 'invalid_option' }),
  );
});

test('a model is named once', () => {
  const keyValues = { 'general.name': { type: 'string', value: 'Fred' } };
  expect(set(modelOf('llama'), keyValues)['general.name']).toBe('Fred');
  expect(() => set(modelOf('llama'), keyValues, { name: 'Bob' })).toThrow(
    /"general\.name", which is what name says already/,
  );
});

const scaled = (architecture, type, weight) =>
  set(
    modelOf(architecture),
    { [`${architecture}.rope.scaling.type`]: { type: 'string', value: type } },
    { weights: [{ name: weight }] },
  );

test.each([
  ['llama', 'longrope', 'rope_freqs.weight', 'must not be longrope'],
  ['minicpm', 'linear', 'rope_factors_long.weight', 'must be longrope'],
])(
  'the factors that a %s has are not hidden by %s, as llama.cpp looks for others then',
  (architecture, type, weight, why) => {
    expect(() => scaled(architecture, type, weight)).toThrow(
      expect.objectContaining({ code: 'invalid_option', message: expect.stringContaining(why) }),
    );
  },
);

test.each([
  ['llama', 'yarn', 'rope_freqs.weight'],
  ['llama', 'longrope', 'token_embd.weight'],
  ['minicpm', 'longrope', 'rope_factors_long.weight'],
  ['phi3', 'yarn', 'rope_factors_long.weight'],
])('a %s may have %s where llama.cpp finds its %s', (architecture, type, weight) => {
  expect(scaled(architecture, type, weight)[`${architecture}.rope.scaling.type`]).toBe(type);
});

test('a pre-tokenizer of a model that has none is refused', () => {
  const model = modelOf('llama');
  model.set(text('tokenizer.ggml.pre', 'default'));
  expect(() => set(model, {}, { pre: 'qwen2' })).toThrow(
    /pre has no meaning, because the tokenizer is a SentencePiece/,
  );
});
