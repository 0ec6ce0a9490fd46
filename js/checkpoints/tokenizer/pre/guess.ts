import { itemsOf, member, textIn, type PlainFile } from '../plain.js';

/** As deep as sequences are followed; published ones nest once. */
const MOST_DEPTH = 32;

const SUFFIXES = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const UPPER = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]';
const LOWER = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]';
const WORD = '[^\\r\\n\\p{L}\\p{N}]?\\p{L}+';
const SIGNS = ' ?[^\\s\\p{L}\\p{N}]+';
const SPACES = '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const CASED = (suffixes: string): string =>
  `[^\\r\\n\\p{L}\\p{N}]?${UPPER}*${LOWER}+${suffixes}|[^\\r\\n\\p{L}\\p{N}]?${UPPER}+${LOWER}*${suffixes}`;

const LLAMA_3 = `${SUFFIXES}|${WORD}|\\p{N}{1,3}|${SIGNS}[\\r\\n]*|${SPACES}`;
const DEEPSEEK_3 =
  '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|' +
  ` ?[\\p{P}\\p{S}]+[\\r\\n]*|${SPACES}`;

/** What splits texts before BPE, one after the other, and llama.cpp's name for it. */
const SPLITS: readonly (readonly [name: string, steps: readonly string[]])[] = [
  ['gpt-2', ['ByteLevel']],
  ['smollm', ['Digits', 'ByteLevel']],
  ['qwen2', [`${SUFFIXES}|${WORD}|\\p{N}|${SIGNS}[\\r\\n]*|${SPACES}`]],
  [
    'qwen35',
    [`${SUFFIXES}|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|${SPACES}`],
  ],
  ['gpt-4o', [`${CASED(`${SUFFIXES}?`)}|\\p{N}{1,3}|${SIGNS}[\\r\\n/]*|${SPACES}`]],
  ['tekken', [`${CASED('')}|\\p{N}|${SIGNS}[\\r\\n/]*|${SPACES}`]],
  ['deepseek-v3', ['\\p{N}{1,3}', '[一-龥぀-ゟ゠-ヿ]+', DEEPSEEK_3]],
];

/**
 * llama.cpp's name of what seems to cut texts as this tokenizer.json does; undefined where none is known. Those that look the
 * same and differ in other ways are taken for the most frequent one.
 */
export function guessedName(file: PlainFile): string | undefined {
  if (file.get('model', 'type') === 'WordPiece') return 'jina-v2-en';
  const steps = stepsOf(file.get('pre_tokenizer'), 0);
  const isLlama = steps.length === 1 && steps[0] === LLAMA_3;
  if (isLlama) return beginsTexts(file.get('post_processor'), 0) ? 'llama-bpe' : 'smaug-bpe';
  return SPLITS.find(
    ([, known]) => known.length === steps.length && known.every((step, at) => step === steps[at]),
  )?.[0];
}

/** Patterns, and the names of other ways to split, in their order. */
function stepsOf(preTokenizer: unknown, depth: number): readonly string[] {
  const type = textIn(member(preTokenizer, 'type'));
  if (type === undefined || depth > MOST_DEPTH) return [];
  if (type === 'Sequence') {
    return itemsOf(member(preTokenizer, 'pretokenizers')).flatMap((one) => stepsOf(one, depth + 1));
  }
  if (type === 'ByteLevel') return member(preTokenizer, 'use_regex') === false ? [] : [type];
  if (type === 'Digits') return member(preTokenizer, 'individual_digits') === true ? [type] : ['digits'];
  const pattern = textIn(member(member(preTokenizer, 'pattern'), 'Regex'));
  const isIsolated = member(preTokenizer, 'behavior') === 'Isolated' && member(preTokenizer, 'invert') !== true;
  return [pattern !== undefined && isIsolated ? spelt(pattern) : `another ${type}`];
}

/** Line ends as patterns spell them. */
const spelt = (pattern: string): string => pattern.replaceAll('\r', '\\r').replaceAll('\n', '\\n');

/** Whether a special token is put before texts. */
function beginsTexts(postProcessor: unknown, depth: number): boolean {
  const several = itemsOf(member(postProcessor, 'processors'));
  if (several.length > 0) return depth < MOST_DEPTH && several.some((one) => beginsTexts(one, depth + 1));
  const [first] = itemsOf(member(postProcessor, 'single'));
  return member(first, 'SpecialToken') !== undefined;
}
