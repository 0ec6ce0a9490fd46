/** What the language model of the samples knows: a few sentences, their words, and which word follows which. */

const SENTENCES = [
  'The little model reads a word and guesses the next one.',
  'The next word is a guess.',
  'A guess is good when the numbers are good.',
  'Every number was rounded to a few bits.',
  'A few bits are enough for a little story.',
  'The story begins with a word and ends with a dot.',
  'The numbers were made up by a program.',
  'Nothing was uploaded and nothing was lost.',
  'It is a little story, and it begins again.',
];

/** The piece that SentencePiece puts in a space's place. */
const SPACE = '▁';

/** Of a sentence's end: how likely the text ends with it. */
const END_SHARE = 0.12;

const BEGIN = '<s>';
const END = '</s>';

/** Pieces by their kind, as `ModelProto.SentencePiece.Type` numbers them. */
const [NORMAL, UNKNOWN, CONTROL, BYTE] = [1, 2, 3, 6];

/** Words with the space before them, and punctuation. */
const tokensOf = (/** @type {string} */ sentence) =>
  [...sentence.matchAll(/[\w]+|[^\w\s]/g)].map(([token]) => (/\w/.test(token) ? SPACE + token : token));

/**
 * By token, how likely each one comes next; `<s>` stands for all that the sentences do not have.
 *
 * @returns {ReadonlyMap<string, ReadonlyMap<string, number>>}
 */
export function successors() {
  /** @type {Map<string, Map<string, number>>} */
  const counts = new Map();
  const count = (/** @type {string} */ token, /** @type {string} */ next, share = 1) => {
    const nexts = counts.get(token) ?? new Map();
    counts.set(token, nexts.set(next, (nexts.get(next) ?? 0) + share));
  };
  for (const sentence of SENTENCES) {
    const tokens = tokensOf(sentence);
    const [first = END] = tokens;
    tokens.forEach((token, index) => {
      const next = tokens[index + 1];
      if (next !== undefined) count(token, next);
    });
    count(BEGIN, first);
    count('.', first, 1 - END_SHARE);
    count('.', END, END_SHARE);
  }
  return new Map([...counts].map(([token, nexts]) => [token, shares(nexts)]));
}

/** @param {ReadonlyMap<string, number>} counts */
function shares(counts) {
  const total = [...counts.values()].reduce((sum, one) => sum + one, 0);
  return new Map([...counts].map(([next, one]) => [next, one / total]));
}

/**
 * The vocabulary, in the order of the tokens' ids: what is special, the bytes, the printable characters, and each word with all
 * of its beginnings, which SentencePiece's merges go through from left to right.
 *
 * @returns {readonly {readonly piece: string, readonly score: number, readonly type: number}[]}
 */
export function vocabulary() {
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
  const characters = Array.from({ length: 94 }, (_, index) => String.fromCharCode(0x21 + index));
  const words = new Set(SENTENCES.flatMap(tokensOf).filter((token) => token.startsWith(SPACE)));
  const beginnings = [...words].flatMap((word) =>
    Array.from({ length: word.length - 1 }, (_, index) => word.slice(0, index + 2)),
  );
  const pieces = [...new Set(beginnings), SPACE, ...characters];
  return [
    { piece: '<unk>', score: 0, type: UNKNOWN },
    { piece: BEGIN, score: 0, type: CONTROL },
    { piece: END, score: 0, type: CONTROL },
    ...bytes.map((piece) => ({ piece, score: 0, type: BYTE })),
    // Merges with the best score come first.
    ...pieces.map((piece, rank) => ({ piece, score: -rank, type: NORMAL })),
  ];
}
