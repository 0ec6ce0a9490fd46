import { describe, expect, test } from '@jest/globals';
import {
  CHECK_TEXT,
  HASHES,
  idsOfCheckText,
  isBounded,
  loadTokenizer,
  PRE_TOKENIZERS,
  preTokenizerName,
} from '../../support/internals.mjs';
import { checkpointOf, filesOf, table } from './folder.mjs';

/** A case's tokenizer.json with other members. */
const changed = (name, change) => {
  const files = filesOf(name);
  const tokenizer = JSON.parse(files.get('tokenizer.json'));
  change(tokenizer);
  return files.set('tokenizer.json', tokenizer);
};

async function nameFor(files, options = {}) {
  const warnings = [];
  const checkpoint = checkpointOf(files, { options, onWarning: (warning) => warnings.push(warning) });
  const name = await preTokenizerName(await loadTokenizer(checkpoint), checkpoint);
  return { name, warnings };
}

describe('what llama.cpp calls a tokenizer’s way to cut texts', () => {
  test('the table and the text are those of its converter, where the last name of a hash counts', () => {
    const { hashes, chktxt } = table('pre');
    expect(CHECK_TEXT).toBe(chktxt);
    const known = Object.entries(HASHES).flatMap(([name, all]) => all.map((hash) => [hash, name]));
    expect(Object.fromEntries(known)).toEqual(hashes);
    expect(PRE_TOKENIZERS).toEqual(expect.arrayContaining([...Object.values(hashes), 'llama3', 'default']));
  });

  test.each([
    ['qwen3-f32', 'qwen2'],
    ['qwen2-tied-card', 'qwen2'],
    ['llama-gqa-rope3', 'llama-bpe'],
    ['smollm3', 'smaug-bpe'],
    ['gpt2', 'gpt-2'],
    ['bert-st', 'jina-v2-en'],
  ])('%s, whose ids are not known, is taken for %s with a warning', async (folder, expected) => {
    const { name, warnings } = await nameFor(filesOf(folder));
    expect(name).toBe(expected);
    expect(warnings.map(({ code }) => code)).toEqual(['checkpoint_doubt']);
    expect(warnings[0].message).toContain(`as ${expected} does`);
  });

  test('the caller’s name goes before all others, without a warning', async () => {
    expect(await nameFor(filesOf('gpt2'), { pre: 'tekken' })).toEqual({ name: 'tekken', warnings: [] });
  });

  test('a name that llama.cpp does not know is refused with those that it does', async () => {
    const refused = nameFor(filesOf('gpt2'), { pre: 'gpt2' });
    await expect(refused).rejects.toMatchObject({ code: 'invalid_option', message: expect.stringContaining('gpt-2') });
  });

  test('a tokenizer that nothing is known of is refused with the option that helps, and what it may be', async () => {
    const files = changed('gpt2', (tokenizer) => {
      tokenizer.pre_tokenizer = { type: 'Split', pattern: { Regex: 'x|y' }, behavior: 'Isolated', invert: false };
    });
    await expect(nameFor(files)).rejects.toMatchObject({
      code: 'unsupported_model',
      message: expect.stringMatching(/option pre \(--pre\).*, gpt-2, .*, qwen2, /),
    });
  });

  const kSlow = {
    'a pattern that takes ages': { type: 'Split', pattern: { Regex: '(\\s|\\s+)+$x' }, behavior: 'Isolated' },
    'a step of unknown kind': { type: 'FixedLength', length: 0 },
    'steps that nest without end': Array.from({ length: 99 }).reduce(
      (inner) => ({ type: 'Sequence', pretokenizers: [inner] }),
      { type: 'ByteLevel' },
    ),
  };

  test.each(Object.keys(kSlow))('%s is not tried', async (name) => {
    const files = changed('gpt2', (tokenizer) => Object.assign(tokenizer, { pre_tokenizer: kSlow[name] }));
    expect(await idsOfCheckText(await loadTokenizer(checkpointOf(files)))).toEqual([]);
  });

  test('what makes texts ever longer is not tried', async () => {
    const doubled = { type: 'Replace', pattern: { String: '.' }, content: '..' };
    const files = changed('gpt2', (tokenizer) => {
      tokenizer.normalizer = { type: 'Sequence', normalizers: Array.from({ length: 20 }, () => doubled) };
    });
    expect(await idsOfCheckText(await loadTokenizer(checkpointOf(files)))).toEqual([]);
  });
});

describe('patterns of strangers', () => {
  const kPublished = [
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}",
    "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
    "(?i:'s|'t)|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}",
    '\\d{1,3}(?=(?:\\d{3})*\\b)',
    '(?=(\\d{3})+(?!\\d))',
    '\\s{512}(?!\\S)|\\s{1,2}(?!\\S)',
    '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+',
    ' ?[^(\\s|[.,!?…。，、।۔،])]+',
    '[[a-z]&&[^aeiou]]+',
    '(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z',
  ];
  const kSlow = [
    '(a+)+b',
    '(a|a)*b',
    '(.*)*',
    '.*.*.*x',
    '(a)\\1+',
    '((a{1,16}){1,16}){1,16}b',
    '(?:a?){40}',
    '('.repeat(99),
  ];
  const kNone = ['(?:a', 'a)', '[a', '*a', '(?<=x', `${'a'.repeat(5000)}`];

  test.each(kPublished)('%s is tried', (pattern) => {
    expect(isBounded(pattern)).toBe(true);
  });

  test.each([...kSlow, ...kNone])('%s is not', (pattern) => {
    expect(isBounded(pattern)).toBe(false);
  });
});
