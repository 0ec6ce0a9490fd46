import { describe, expect, test } from '@jest/globals';
import {
  setSpacePrefix,
  byteLevel,
  hashOf,
  idsOfCheckText,
  llamaHuggingFace,
  loadTokenizer,
  wordPiece,
} from '../../support/internals.mjs';
import { checkpointOf, described, filesOf, pairsOf, table } from './folder.mjs';

/** The way that each case's architecture takes. */
async function written(pairs, checkpoint, name) {
  if (name === 'bert-st') return wordPiece(pairs, checkpoint);
  if (name === 'llama-gqa-rope3' || name === 'smollm3' || name === 'llama-hf-json')
    await setSpacePrefix(pairs, checkpoint);
  return name === 'llama-hf-json' ? llamaHuggingFace(pairs, checkpoint) : byteLevel(pairs, checkpoint);
}

/** Files of which the table has only the members that are others. */
const kPartly = ['tokenizer.json', 'config.json'];

function changedFiles({ case: name, files: changed, gone }) {
  const files = filesOf(name);
  for (const [file, content] of Object.entries(changed)) {
    const own = kPartly.includes(file) ? JSON.parse(files.get(file)) : {};
    files.set(file, typeof content === 'string' ? content : { ...own, ...content });
  }
  for (const file of [...gone, 'chat_template.jinja']) files.delete(file);
  return files;
}

describe.each([
  ['tokens that are added to others', 'added_tokens'],
  ['folders without tokenizer.json', 'older_tokenizers'],
])('%s', (_, name) => {
  const kRows = table(name).rows;

  test.each(kRows.map((row) => [`${row.name} (${row.case})`, row]))(
    '%s: as the converter has them',
    async (__, row) => {
      const checkpoint = checkpointOf(changedFiles(row), { options: { pre: 'qwen2' } });
      const { pairs } = await pairsOf((list, from) => written(list, from, row.case), checkpoint);
      const found = pairs.map(described).filter(({ key }) => key !== 'tokenizer.ggml.pre');
      expect(found).toEqual(row.kv.map(([key, type, value]) => ({ key, type, sha256: String(value) })));
    },
  );

  test.each(kRows.filter(({ ids }) => ids !== null).map((row) => [`${row.name} (${row.case})`, row]))(
    '%s: the check text has the ids that transformers gives it',
    async (__, row) => {
      const loaded = await loadTokenizer(checkpointOf(changedFiles(row)));
      expect(hashOf(await idsOfCheckText(loaded))).toBe(row.ids);
    },
  );
});

test('special tokens of a kind of model, named in extra_special_tokens, are added after all others', async () => {
  const files = filesOf('qwen2-tied-card');
  const config = JSON.parse(files.get('tokenizer_config.json'));
  const tokens = {
    image_token: '<|image|>',
    audio_token: { __type: 'AddedToken', content: '<|audio|>', special: true },
  };
  const added = async (extra) => {
    const changed = { ...config, additional_special_tokens: ['<|first|>'], extra_special_tokens: extra };
    const { vocabulary } = await loadTokenizer(checkpointOf(new Map([...files, ['tokenizer_config.json', changed]])));
    return [...vocabulary.added.values()].filter(({ special }) => special).map(({ content }) => content);
  };
  expect((await added(tokens)).slice(-3)).toEqual(['<|first|>', '<|image|>', '<|audio|>']);
  // transformers 5 writes a list there of what is among the added tokens, too.
  expect((await added(['<|image|>'])).at(-1)).toBe('<|first|>');
});
