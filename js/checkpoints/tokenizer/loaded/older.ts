/**
 * Folders that are older than tokenizer.json have the tokens and merges of their tokenizers in files of their own. transformers
 * makes a tokenizer of them by its class, and so is done here: what comes out is what tokenizer.json would say.
 */

import { quoted } from '../../../containers/invalid-file.js';
import type { CheckpointFiles } from '../../files.js';
import { PlainFile } from '../plain.js';
import type { TokenizerClass } from './classes.js';
import { specialTokensOf } from './special.js';

type Values = Readonly<Record<string, unknown>>;
/** The text of a special token by its name in tokenizer_config.json; undefined where there is none. */
type Special = (name: string) => string | undefined;

/**
 * Null where the class of tokenizers is one that is not made of such files, or one of them is missing. `entries` is what files
 * say of special tokens. Rejects with `invalid_file` for files that do not belong together.
 */
export async function olderTokenizer(
  files: CheckpointFiles,
  kind: TokenizerClass,
  config: PlainFile | null,
  entries: ReadonlyMap<string, unknown>,
): Promise<PlainFile | null> {
  const tokens = specialTokensOf(entries, kind, []);
  const special: Special = (name) => tokens.get(name)?.[0]?.content;
  if (kind.older === undefined) return null;
  if (kind.older === 'bert') return wordPieceFile(files, special);
  const merges = kind.older === 'qwen2' ? qwen2Merges : gpt2Merges;
  const steps = kind.older === 'qwen2' ? QWEN2 : GPT2;
  return bytePairFile(files, merges, { ...steps, post_processor: around(kind.older, special, config) });
}

function around(older: TokenizerClass['older'], special: Special, config: PlainFile | null): Values | null {
  if (older === 'roberta') return surrounded(special('cls_token'), special('sep_token'));
  const addsBos = older === 'gpt2' && config?.get('add_bos_token') === true;
  return addsBos ? surrounded(special('bos_token'), undefined) : null;
}

/** vocab.txt has a token in each line; one that comes again has the last of its ids. */
async function wordPieceFile(files: CheckpointFiles, special: Special): Promise<PlainFile | null> {
  const [source, content] = [await files.source('vocab.txt'), await files.text('vocab.txt')];
  if (source === null || content === null) return null;
  const lines = linesOf(content);
  if (lines.at(-1) === '') lines.pop();
  const vocab = Object.fromEntries(lines.map((token, id) => [token, id]));
  const values = {
    model: {
      ...{ type: 'WordPiece', unk_token: special('unk_token'), continuing_subword_prefix: '##' },
      ...{ max_input_chars_per_word: 100, vocab },
    },
    normalizer: {
      ...{ type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true },
      ...{ strip_accents: null, lowercase: true },
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: surrounded(special('cls_token'), special('sep_token')),
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
  };
  return new PlainFile(values, source);
}

const BYTE_LEVEL = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true };

const GPT2: Values = { pre_tokenizer: { ...BYTE_LEVEL, use_regex: true } };

const QWEN2_PATTERN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

const QWEN2: Values = {
  normalizer: { type: 'NFC' },
  pre_tokenizer: {
    type: 'Sequence',
    pretokenizers: [
      { type: 'Split', pattern: { Regex: QWEN2_PATTERN }, behavior: 'Isolated', invert: false },
      { ...BYTE_LEVEL, use_regex: false },
    ],
  },
};

/** vocab.json has the ids of tokens, merges.txt a merge in each line. */
async function bytePairFile(
  files: CheckpointFiles,
  mergesIn: (lines: readonly string[]) => readonly string[],
  values: Values,
): Promise<PlainFile | null> {
  const [source, vocabulary] = [await files.source('vocab.json'), await files.plain('vocab.json')];
  const content = await files.text('merges.txt');
  if (source === null || vocabulary === null || content === null) return null;
  const merges: (readonly string[])[] = [];
  // One that comes again counts where it comes first.
  for (const line of new Set(mergesIn(linesOf(content)))) {
    const [left = '', right = '', ...more] = partsOf(line);
    if (right === '' || more.length > 0) throw await files.wrong('merges.txt', `its line ${quoted(line)} is no pair`);
    const missing = [left, right, left + right].find((token) => !vocabulary.has(token));
    if (missing !== undefined)
      throw await files.wrong('merges.txt', `it has the token ${quoted(missing)}, which vocab.json has not`);
    merges.push([left, right]);
  }
  const model = { type: 'BPE', byte_fallback: false, vocab: vocabulary.values };
  return new PlainFile({ ...values, model, decoder: { type: 'ByteLevel' } }, source, { merges });
}

/** All but the first line, whatever is in it, and what comes behind the last end of a line. */
const gpt2Merges = (lines: readonly string[]): readonly string[] => lines.slice(1, -1);

const qwen2Merges = (lines: readonly string[]): readonly string[] =>
  lines.filter((line, index) => line.trim() !== '' && !(index === 0 && line.trim().startsWith('#version:')));

/** Lines as Python reads them from files. */
const linesOf = (content: string): string[] => content.split(/\r\n?|\n/u);

const partsOf = (line: string): readonly string[] => line.split(/\s+/u).filter((part) => part !== '');

/** Texts between two tokens. */
function surrounded(first: string | undefined, last: string | undefined): Values {
  const token = (id: string | undefined): readonly Values[] =>
    id === undefined ? [] : [{ SpecialToken: { id, type_id: 0 } }];
  const single = [...token(first), { Sequence: { id: 'A', type_id: 0 } }, ...token(last)];
  return { type: 'TemplateProcessing', single, special_tokens: {} };
}
