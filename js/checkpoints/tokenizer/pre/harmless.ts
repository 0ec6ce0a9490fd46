import { isBounded } from './bounded-pattern.js';
import { itemsOf, member, textIn, within } from '../plain.js';

/** As deep as sequences are followed, and as many steps as there may be; published tokenizers have up to eight, nested once. */
const MOST_DEPTH = 8;
const MOST_STEPS = 24;
/** How much longer a text may become before it is cut. */
const MOST_GROWTH = 4;
/** Characters of what is put before or behind texts and tokens. */
const MOST_AFFIX = 64;

const NORMALIZERS = [
  ...[
    'BertNormalizer',
    'Lowercase',
    'NFC',
    'NFD',
    'NFKC',
    'NFKD',
    'Precompiled',
    'Prepend',
    'Replace',
    'Strip',
    'StripAccents',
  ],
];
const PRE_TOKENIZERS = [
  ...['BertPreTokenizer', 'ByteLevel', 'Digits', 'Metaspace', 'Punctuation', 'Split', 'Whitespace', 'WhitespaceSplit'],
];
const PATTERNED = ['Replace', 'Split'];
const AFFIXES = ['continuing_subword_prefix', 'continuing_subword_suffix', 'end_of_word_suffix', 'unk_token'];

/**
 * Whether a stranger's tokenizer.json cuts a text of some hundred characters in no time: it has a few steps of known kinds,
 * patterns that do not take ages, and nothing that makes texts much longer.
 */
export function isHarmless(tokenizer: Readonly<Record<string, unknown>>): boolean {
  const normalizers = stepsOf(tokenizer['normalizer'], 'normalizers', 0);
  const preTokenizers = stepsOf(tokenizer['pre_tokenizer'], 'pretokenizers', 0);
  const growth = normalizers.reduce<number>((product, step) => product * growthOf(step), 1);
  return (
    normalizers.length + preTokenizers.length <= MOST_STEPS &&
    growth <= MOST_GROWTH &&
    normalizers.every((step) => isKnown(step, NORMALIZERS)) &&
    preTokenizers.every((step) => isKnown(step, PRE_TOKENIZERS)) &&
    AFFIXES.every((name) => isShort(within(tokenizer, 'model', name)))
  );
}

/** Steps one after the other; what lies too deep is none that is known. */
function stepsOf(step: unknown, parts: string, depth: number): readonly unknown[] {
  if (step === null || step === undefined) return [];
  if (member(step, 'type') !== 'Sequence') return [step];
  return depth < MOST_DEPTH ? itemsOf(member(step, parts)).flatMap((one) => stepsOf(one, parts, depth + 1)) : [depth];
}

function isKnown(step: unknown, kinds: readonly string[]): boolean {
  const type = textIn(member(step, 'type')) ?? '';
  return (
    kinds.includes(type) &&
    member(step, 'str_rep') === undefined &&
    isShort(member(step, 'prepend')) &&
    (!PATTERNED.includes(type) || hasPattern(member(step, 'pattern')))
  );
}

function hasPattern(pattern: unknown): boolean {
  const expression = member(pattern, 'Regex');
  return expression === undefined
    ? typeof member(pattern, 'String') === 'string'
    : typeof expression === 'string' && isBounded(expression);
}

const isShort = (affix: unknown): boolean => typeof affix !== 'string' || affix.length <= MOST_AFFIX;

/** By which factor a step makes texts longer at most. A pattern may match nothing between any two characters. */
function growthOf(step: unknown): number {
  if (member(step, 'type') !== 'Replace') return 1;
  const content = textIn(member(step, 'content'))?.length ?? 0;
  const replaced = textIn(within(step, 'pattern', 'String'))?.length;
  return replaced === undefined ? 1 + content : Math.max(1, content / replaced);
}
