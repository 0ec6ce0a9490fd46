import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { goldenModel } from '../../js/support/onnx/golden.mjs';

/** Words of the tokenizer: the model has 200 rows in its embedding. */
const kWords = [
  '[PAD]',
  '[UNK]',
  '[CLS]',
  '[SEP]',
  '[MASK]',
  ...Array.from({ length: 195 }, (_, index) => `w${index}`),
];
const kSpecial = kWords.slice(0, 5).map((content, id) => ({
  ...{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
}));

const kConfig = {
  ...{ architectures: ['BertModel'], model_type: 'bert', vocab_size: 200, hidden_size: 64, num_hidden_layers: 2 },
  ...{ num_attention_heads: 4, intermediate_size: 128, max_position_embeddings: 32, type_vocab_size: 2 },
};

const kTokenizer = {
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: kSpecial,
  normalizer: null,
  pre_tokenizer: { type: 'WhitespaceSplit' },
  post_processor: {
    type: 'TemplateProcessing',
    single: [special('[CLS]'), { Sequence: { id: 'A', type_id: 0 } }, special('[SEP]')],
    pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
    special_tokens: Object.fromEntries(
      [2, 3].map((id) => [kWords[id], { id: kWords[id], ids: [id], tokens: [kWords[id]] }]),
    ),
  },
  decoder: null,
  model: { type: 'WordLevel', vocab: Object.fromEntries(kWords.map((word, id) => [word, id])), unk_token: '[UNK]' },
};

const kTokenizerConfig = {
  ...{ tokenizer_class: 'PreTrainedTokenizerFast', model_max_length: 32, pad_token: '[PAD]', unk_token: '[UNK]' },
  ...{ cls_token: '[CLS]', sep_token: '[SEP]', mask_token: '[MASK]' },
};

function special(id) {
  return { SpecialToken: { id, type_id: 0 } };
}

/** A sentence that uses seven of its tokens. */
export const kSentence = 'w1 w20 w33 w190 w7';

/**
 * A folder as the Hub has them for transformers.js, with the golden model in it.
 *
 * @param {string} folder does not exist yet
 */
export function writeTinyBert(folder) {
  mkdirSync(path.join(folder, 'onnx'), { recursive: true });
  const files = { 'config.json': kConfig, 'tokenizer.json': kTokenizer, 'tokenizer_config.json': kTokenizerConfig };
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(path.join(folder, name), `${JSON.stringify(content, null, 2)}\n`);
  }
  copyFileSync(goldenModel('bert'), path.join(folder, 'onnx/model.onnx'));
}
