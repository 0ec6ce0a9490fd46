import { describe, expect, test } from '@jest/globals';
import { Tokenizer } from '@huggingface/tokenizers';
import { CHECK_TEXT, idsOf, reducedModel } from '../../support/internals.mjs';
import { caseNames, filesOf } from './folder.mjs';

const kTokenizers = caseNames()
  .map((name) => [name, filesOf(name).get('tokenizer.json')])
  .filter(([, content]) => content !== undefined)
  .map(([name, content]) => [name, JSON.parse(content)]);

const wholeIds = (tokenizer, text) => new Tokenizer(tokenizer, {}).encode(text).ids;

const kModels = {
  'byte-level': { pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true, use_regex: true } },
  'byte-level without cuts': { pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: false } },
  'ends of words': { pre_tokenizer: { type: 'Whitespace' }, end_of_word_suffix: '</w>' },
  'marks inside of words': { pre_tokenizer: { type: 'Whitespace' }, continuing_subword_suffix: '@@' },
  'bytes for what is unknown': {
    normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
    byte_fallback: true,
  },
  'words before merges': { pre_tokenizer: { type: 'Whitespace' }, ignore_merges: true, unk_token: '<unk>' },
};

const kLetters = ['a', 'b', 'c', 'é', '▁', 'Ġ', '😀', '</w>', 'b</w>'];

/** Whole numbers below `end`, by Lehmer's rule. */
function numbers(seed) {
  let state = seed + 1;
  return (end) => {
    state = (state * 48271) % 2147483647;
    return state % end;
  };
}

/** A tokenizer with merges of what it has already, in any order, and as many tokens that nothing leads to. */
function randomTokenizer(kind, seed) {
  const below = numbers(seed);
  const { pre_tokenizer = null, normalizer = null, ...options } = kModels[kind];
  const tokens = [...kLetters, '<unk>', ...Array.from({ length: 256 }, (_, byte) => byteToken(byte))];
  const texts = [...kLetters];
  const merges = Array.from({ length: 60 }, () => {
    const pair = [texts[below(texts.length)], texts[below(texts.length)]];
    texts.push(pair.join(''));
    return pair;
  });
  tokens.push(...texts, ...texts.map((text) => `${text}@@`));
  const vocab = Object.fromEntries([...new Set(tokens)].map((token, id) => [token, id * 3]));
  const isSpelt = seed % 2 === 0;
  return {
    ...{ normalizer, pre_tokenizer, post_processor: null, decoder: null, added_tokens: [] },
    model: { type: 'BPE', vocab, merges: isSpelt ? merges.map((pair) => pair.join(' ')) : merges, ...options },
  };
}

const byteToken = (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;

describe('the part of a tokenizer that a text needs', () => {
  test.each(kTokenizers)('%s makes the same ids with it', (_, tokenizer) => {
    const expected = wholeIds(tokenizer, CHECK_TEXT);
    expect(expected.length).toBeGreaterThan(0);
    expect(idsOf(tokenizer, CHECK_TEXT)).toEqual(expected);
  });

  test.each(Object.keys(kModels))('random merges make the same ids with it: %s', (kind) => {
    for (let seed = 0; seed < 40; ++seed) {
      const tokenizer = randomTokenizer(kind, seed);
      const below = numbers(seed + 1000);
      const text = Array.from({ length: 60 }, () => 'aabbccé▁ 😀z'.split('')[below(11)])
        .join('')
        .toWellFormed();
      expect(idsOf(tokenizer, text)).toEqual(wholeIds(tokenizer, text));
    }
  });

  test('is without merges and tokens that cannot be in it, and keeps the order of others', () => {
    const vocab = { a: 0, b: 1, c: 2, ab: 3, bc: 4, abc: 5, xy: 6, '<0x41>': 7, '<s>': 8, '<unk>': 9 };
    const merges = ['x y', 'b c', 'a b', 'c c', 'a bc'];
    const model = { type: 'BPE', vocab, merges, unk_token: '<unk>' };
    const { xy, ...kept } = vocab;
    expect(xy).toBe(6);
    expect(reducedModel(model, ['ab', 'bc'], { single: [{ SpecialToken: { id: '<s>' } }] })).toEqual({
      ...model,
      vocab: Object.fromEntries(Object.entries(kept).filter(([token]) => token !== 'abc')),
      merges: [
        ['b', 'c'],
        ['a', 'b'],
      ],
    });
  });

  test.each([
    ['of another kind', { type: 'WordPiece', vocab: { x: 0 } }],
    ['without a vocabulary', { type: 'BPE', merges: ['x y'] }],
    ['with marks inside of words', { type: 'BPE', vocab: { x: 0 }, merges: ['x y'], continuing_subword_suffix: '@@' }],
    ['with merges that are no list', { type: 'BPE', vocab: { x: 0 }, merges: 'x y' }],
    ['with merges of two kinds', { type: 'BPE', vocab: { x: 0 }, merges: ['x y', ['x', 'y']] }],
  ])('is all of a model %s', (_, model) => {
    expect(reducedModel(model, ['a'], null)).toBe(model);
  });

  test.each(['__proto__', 'constructor', '7'])('may have a token %s', (token) => {
    const vocab = new Map([
      ['a', 0],
      [token, 1],
    ]);
    const model = { type: 'BPE', vocab: Object.fromEntries(vocab), merges: [] };
    expect(Object.entries(reducedModel(model, [token], null).vocab)).toEqual([[token, 1]]);
  });
});
