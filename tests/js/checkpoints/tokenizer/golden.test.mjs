import { describe, expect, test } from '@jest/globals';
import {
  byteLevel,
  KeyList,
  llamaHuggingFace,
  sentencePiece,
  setSpacePrefix,
  setSpecialTokens,
  wordPiece,
} from '../../support/internals.mjs';
import { caseNamed, checkpointOf, described, expectedOf, filesOf, pairsOf, table } from './folder.mjs';

async function llamaFamily(pairs, checkpoint) {
  await setSpacePrefix(pairs, checkpoint);
  if (await sentencePiece(pairs, checkpoint)) return true;
  return (await llamaHuggingFace(pairs, checkpoint)) || byteLevel(pairs, checkpoint);
}

/** The roads that architectures take, and what they write around them. */
const kRoads = {
  gpt2: byteLevel,
  'llama-gqa-rope3': llamaFamily,
  'bert-st': wordPiece,
  'llama-hf-json': llamaFamily,
  'llama-spm-tied': llamaFamily,
  'mistral-sharded': llamaFamily,
  'mistral-v5': llamaFamily,
  gemma2: sentencePiece,
  'gemma3-mm': sentencePiece,
  'gemma3-text': sentencePiece,
  olmo2: byteLevel,
  'phi3-longrope': (pairs, checkpoint) => sentencePiece(pairs, checkpoint, { addedFromTokenizer: true }),
  'qwen2-tied-card': byteLevel,
  'qwen3-f32': byteLevel,
  qwen3moe: byteLevel,
  smollm3: llamaFamily,
};

/** What Gemma writes after its tokenizer. */
const isOfGemma = ({ key }, name) => name.startsWith('gemma') && key === 'tokenizer.ggml.add_space_prefix';

describe('the tokenizers of the golden set', () => {
  test.each(Object.keys(kRoads))('%s has the pairs that llama.cpp’s converter writes', async (name) => {
    const { kv, pre, pre_source: source } = caseNamed(name);
    const options = source === 'patched' ? { pre } : {};
    const { found, pairs } = await pairsOf(kRoads[name], checkpointOf(filesOf(name), { options }));
    const expected = kv.filter(({ key }) => key.startsWith('tokenizer.') && !isOfGemma({ key }, name));
    expect(found).toBe(true);
    expect(pairs.map(described)).toEqual(expected.map(expectedOf));
  });
});

test('merges.txt has the merges where tokenizer.json has none', async () => {
  const files = filesOf('qwen3-f32');
  const whole = await pairsOf(byteLevel, checkpointOf(files, { options: { pre: 'qwen2' } }));
  const tokenizer = JSON.parse(files.get('tokenizer.json'));
  delete tokenizer.model.merges;
  files.set('tokenizer.json', tokenizer);
  expect(await pairsOf(byteLevel, checkpointOf(files, { options: { pre: 'qwen2' } }))).toEqual(whole);
});

test('chat templates are left out on request', async () => {
  const options = { pre: 'llama-bpe', chatTemplate: false };
  const { pairs } = await pairsOf(llamaFamily, checkpointOf(filesOf('smollm3'), { options }));
  expect(pairs.map(({ key }) => key).filter((key) => key.includes('template'))).toEqual([]);
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
