import { expect, test } from '@jest/globals';
import { readCheckpoint } from '../support/internals.mjs';

test('what is not said is found out', () => {
  expect(readCheckpoint({})).toEqual({ via: null, name: null, pre: null, chatTemplate: true, keyValues: [] });
});

test.each(['F16', 'BF16', 'F32'])('via %s may be in letters of any case', (via) => {
  for (const given of [via, via.toLowerCase()]) expect(readCheckpoint({ via: given }).via).toBe(via);
});

test('names are taken as they are', () => {
  const given = { name: 'Grüße 😀: 7B', pre: 'qwen2', chatTemplate: false };
  expect(readCheckpoint(given)).toMatchObject(given);
  expect(readCheckpoint({ pre: 'jina-v2-en', name: 'a'.repeat(1000) })).toMatchObject({ pre: 'jina-v2-en' });
});

test.each([
  [{ via: 'Q8_0' }, 'via is "Q8_0", must be "F16" or "BF16" or "F32"'],
  [{ via: 16 }, 'via is 16, must be "F16" or "BF16" or "F32"'],
  [{ name: '' }, 'name is "", must be a text of 1 to 1000 characters without control characters'],
  [{ name: 'a\nb' }, 'name is "a\\nb", must be a text'],
  [{ name: '\ud800' }, 'must be a text of 1 to 1000'],
  [{ name: 'a'.repeat(1001) }, 'must be a text of 1 to 1000'],
  [{ name: 7 }, 'name is 7, must be a text'],
  [{ pre: '' }, 'pre is "", must be the name of a pre-tokenizer of llama.cpp, such as "qwen2"'],
  [{ pre: 'qwen 2' }, 'must be the name of a pre-tokenizer'],
  [{ pre: ['qwen2'] }, 'pre is an array, must be'],
  [{ chatTemplate: 'no' }, 'chatTemplate is "no", must be true or false'],
])('%j is refused', (given, message) => {
  expect(() => readCheckpoint(given)).toThrow(
    expect.objectContaining({ code: 'invalid_option', message: expect.stringContaining(message) }),
  );
});
