import { describe, expect, test } from '@jest/globals';
import { byteLevel, sentencePiece, setSpecialTokens, KeyList } from '../../support/internals.mjs';
import { caseNamed, checkpointOf, described, expectedOf, filesOf, pairsOf, table } from './folder.mjs';

/** The roads that architectures take, and what they write around them. */
const kRoads = {
  gpt2: byteLevel,
  'llama-gqa-rope3': byteLevel,
  'llama-spm-tied': sentencePiece,
  'mistral-sharded': sentencePiece,
  'mistral-v5': sentencePiece,
  gemma2: sentencePiece,
  'gemma3-mm': sentencePiece,
  'gemma3-text': sentencePiece,
  olmo2: byteLevel,
  'phi3-longrope': (pairs, checkpoint) => sentencePiece(pairs, checkpoint, { addedFromTokenizer: true }),
  'qwen2-tied-card': byteLevel,
  'qwen3-f32': byteLevel,
  qwen3moe: byteLevel,
};

/** What the architecture writes beside its tokenizer. */
const kOfArchitectures = ['tokenizer.ggml.add_space_prefix', 'tokenizer.ggml.token_type_count'];

describe('the tokenizers of the golden set', () => {
  test.each(Object.keys(kRoads))('%s has the pairs that llama.cpp’s converter writes', async (name) => {
    const { kv, pre, pre_source: source } = caseNamed(name);
    const options = source === 'patched' ? { pre } : {};
    const { found, pairs } = await pairsOf(kRoads[name], checkpointOf(filesOf(name), { options }));
    const expected = kv.filter(({ key }) => key.startsWith('tokenizer.') && !kOfArchitectures.includes(key));
    expect(found).toBe(true);
    expect(pairs.map(described)).toEqual(expected.map(expectedOf));
  });
});

describe('special tokens', () => {
  const kTypes = { string: 'string', u32: 'uint32', bool: 'bool', array: 'array' };

  test.each(table('special_vocab').rows.map((row) => [row.name, row]))('%s', async (_, row) => {
    const files = new Map([['config.json', row.config]]);
    if (row.tokenizer_json) files.set('tokenizer.json', row.tokenizer_json);
    if (row.tokenizer_config) files.set('tokenizer_config.json', row.tokenizer_config);
    for (const [loadMerges, expected] of [
      [true, row.kv_load_merges],
      [false, row.kv],
    ]) {
      const pairs = new KeyList();
      await setSpecialTokens(pairs, checkpointOf(files), { loadMerges, vocabularySize: 100 });
      expect(pairs.pairs.map(({ key, type, value }) => [key, kTypes[type], value])).toEqual(expected);
    }
  });
});
