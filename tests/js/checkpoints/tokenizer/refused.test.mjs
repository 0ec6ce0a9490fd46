import { describe, expect, test } from '@jest/globals';
import { byteLevel, llamaHuggingFace, sentencePiece, setTokenTypeCount, unigram } from '../../support/internals.mjs';
import { checkpointOf, filesOf, pairsOf } from './folder.mjs';

/** A case's files with a JSON file of it changed. */
function changed(name, file, change) {
  const files = filesOf(name);
  const content = JSON.parse(files.get(file));
  change(content);
  return files.set(file, content);
}

const refusal = (write, files) => pairsOf(write, checkpointOf(files, { options: { pre: 'qwen2' } }));

describe('tokenizers that say what cannot be', () => {
  const kWrong = {
    'a merge of three': [(tokenizer) => (tokenizer.model.merges = [['a', 'b', 'c']]), 'merge 0 is no pair of texts'],
    'a merge that is a number': [(tokenizer) => tokenizer.model.merges.push(1), 'merge 192 is no pair of texts'],
    'no vocabulary': [(tokenizer) => delete tokenizer.model.vocab, 'its model has no vocabulary'],
    'an id of two tokens': [(tokenizer) => (tokenizer.model.vocab.extra = 7), 'have the same id, 7'],
    'a negative id': [
      (tokenizer) => (tokenizer.model.vocab.extra = -1),
      'the id of the token "extra" is no whole number',
    ],
    'an id beyond vocab_size': [
      (tokenizer) => (tokenizer.model.vocab.extra = 456),
      'the id 456, but the model has 456 tokens; the tokenizer may be of another model',
    ],
    'a token without content': [
      (tokenizer) => tokenizer.added_tokens.push({ id: 455 }),
      'added token 7 has no content',
    ],
    'half of a character': [(tokenizer) => (tokenizer.model.vocab['\ud800'] = 455), 'halves of characters'],
    'an unknown decoder': [(tokenizer) => (tokenizer.decoder = { type: 'Mystery' }), 'its decoder is of a kind'],
  };

  test.each(Object.keys(kWrong))('%s', async (name) => {
    const [change, detail] = kWrong[name];
    await expect(refusal(byteLevel, changed('qwen3-f32', 'tokenizer.json', change))).rejects.toMatchObject({
      code: 'invalid_file',
      file: 'tokenizer.json',
      detail: expect.stringContaining(detail),
    });
  });

  test('tokens that are added where tokenizer_config.json is missing', async () => {
    const files = filesOf('llama-gqa-rope3');
    const size = 1 + Math.max(...JSON.parse(files.get('tokenizer.json')).added_tokens.map(({ id }) => id));
    files.set('config.json', { vocab_size: size, model_type: 'llama' }).delete('tokenizer_config.json');
    await expect(refusal(byteLevel, files)).rejects.toMatchObject({
      code: 'invalid_file',
      detail: expect.stringMatching(/but the model has \d+ tokens; there is no tokenizer_config\.json beside it$/),
    });
  });

  test('no merges, in tokenizer.json or merges.txt', async () => {
    const files = changed('qwen3-f32', 'tokenizer.json', (tokenizer) => delete tokenizer.model.merges);
    files.delete('merges.txt');
    await expect(refusal(byteLevel, files)).rejects.toMatchObject({
      code: 'invalid_file',
      message: 'Cannot read tokenizer.json: it has no merges, without which llama.cpp cuts no texts',
    });
  });

  test('a vocab_size that no memory holds', async () => {
    const files = changed('qwen3-f32', 'config.json', (config) => (config.vocab_size = 2 ** 40));
    await expect(refusal(byteLevel, files)).rejects.toMatchObject({ code: 'invalid_file', file: 'config.json' });
  });

  test('a gap in the ids of a tokenizer without padding', async () => {
    const files = changed('llama-hf-json', 'tokenizer.json', (tokenizer) => delete tokenizer.model.vocab['▁t']);
    await expect(refusal(llamaHuggingFace, files)).rejects.toMatchObject({
      code: 'invalid_file',
      file: 'tokenizer.json',
    });
  });

  test('a SentencePiece model that ends in the middle of a piece', async () => {
    const files = filesOf('llama-spm-tied');
    files.set('tokenizer.model', files.get('tokenizer.model').subarray(0, 1000));
    await expect(refusal(sentencePiece, files)).rejects.toMatchObject({
      code: 'invalid_file',
      file: 'tokenizer.model',
      message: expect.stringContaining('it is no SentencePiece model: it has a field that reaches beyond its end'),
    });
  });

  test('a list of tokens for tiktoken under the name of a SentencePiece model', async () => {
    const files = filesOf('llama-gqa-rope3').set('tokenizer.model', 'IQ== 0\nIg== 1\n'.repeat(100));
    await expect(refusal(sentencePiece, files)).rejects.toMatchObject({
      code: 'invalid_file',
      message: expect.stringMatching(/no SentencePiece model: .* tiktoken; take it out of the folder/),
    });
  });

  test('ids that are no numbers in added_tokens.json', async () => {
    const files = changed('llama-spm-tied', 'added_tokens.json', (added) => (added['<x>'] = 'one'));
    await expect(refusal(sentencePiece, files)).rejects.toMatchObject({
      code: 'invalid_file',
      file: 'added_tokens.json',
    });
  });

  test('more kinds of segments than numbers have room for', () => {
    const files = new Map([['config.json', { type_vocab_size: -1 }]]);
    expect(() => setTokenTypeCount(null, checkpointOf(files))).toThrow('"type_vocab_size" must be a number of 32 bits');
  });
});

describe('files of folders without tokenizer.json that say what cannot be', () => {
  const kWrong = {
    'a merge of three': ['merges.txt', '#version: 0.2\nĠ t x\n', 'its line "Ġ t x" is no pair'],
    'an empty line': ['merges.txt', '#version: 0.2\n\nĠ t\n', 'its line "" is no pair'],
    'a merge of unknown tokens': ['merges.txt', '#version: 0.2\n__proto__ t\n', 'it has the token "__proto__"'],
    'an id that is no number': ['vocab.json', { Ġ: 0, t: 1, Ġt: 'two' }, 'the id of the token "Ġt" is no whole number'],
  };

  test.each(Object.keys(kWrong))('%s', async (name) => {
    const [file, content, detail] = kWrong[name];
    const files = new Map([
      ['config.json', { model_type: 'gpt2', vocab_size: 4 }],
      ['vocab.json', { Ġ: 0, t: 1, Ġt: 2 }],
      ['merges.txt', '#version: 0.2\nĠ t\n'],
    ]);
    expect(await refusal(byteLevel, files)).toMatchObject({ found: true });
    await expect(refusal(byteLevel, files.set(file, content))).rejects.toMatchObject({
      code: 'invalid_file',
      file,
      detail: expect.stringContaining(detail),
    });
  });

  test.each(['vocab.json', 'merges.txt'])('without %s there is no tokenizer', async (file) => {
    const files = filesOf('gpt2');
    files.delete('tokenizer.json');
    files.delete(file);
    expect(await refusal(byteLevel, files)).toEqual({ found: false, pairs: [] });
  });

  test('there is none of a class that is not made of them', async () => {
    const files = filesOf('gpt2').set('tokenizer_config.json', { tokenizer_class: 'GPTNeoXTokenizer' });
    files.delete('tokenizer.json');
    expect(await refusal(byteLevel, files)).toEqual({ found: false, pairs: [] });
  });
});

describe('tokenizers that are not there', () => {
  test.each([byteLevel, llamaHuggingFace, sentencePiece, unigram])('%p is false', async (write) => {
    const { found, pairs } = await refusal(write, new Map([['config.json', {}]]));
    expect(found).toBe(false);
    expect(pairs).toEqual([]);
  });

  test('a tokenizer.json of byte-level BPE is none of Llama’s', async () => {
    expect(await refusal(llamaHuggingFace, filesOf('qwen3-f32'))).toEqual({ found: false, pairs: [] });
  });
});

describe('what is lost is told', () => {
  const warningsOf = async (write, files) => {
    const warnings = [];
    const checkpoint = checkpointOf(files, {
      options: { pre: 'qwen2' },
      onWarning: (warning) => warnings.push(warning),
    });
    await pairsOf(write, checkpoint);
    return warnings;
  };

  test('tokens beyond vocab_size', async () => {
    expect(await warningsOf(sentencePiece, filesOf('llama-spm-tied'))).toEqual([
      { code: 'checkpoint_doubt', message: expect.stringContaining('1 tokens of model are left out') },
    ]);
  });

  test('special tokens with ids below zero', async () => {
    const files = changed('qwen3-f32', 'config.json', (config) => (config.bos_token_id = -1));
    expect(await warningsOf(byteLevel, files)).toEqual([
      { code: 'checkpoint_doubt', message: expect.stringContaining('the id -1 of the special token bos') },
    ]);
  });
});
