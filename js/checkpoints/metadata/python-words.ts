/** What Python's `str` does where JavaScript's strings do otherwise. */

/** What `str.split()` and `str.strip()` take for white space. */
const SPACE = String.raw`[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]`;
const SPACES = new RegExp(`${SPACE}+`, 'u');
const OUTER_SPACES = new RegExp(`^${SPACE}+|${SPACE}+$`, 'gu');

/** What `str.splitlines()` splits at, in a text in which lines end with nothing else. */
const LINE_ENDS = new RegExp(String.raw`\r\n|[\n-\r\x1c-\x1e\x85\u2028\u2029]`, 'u');

/** `text.split()`. */
export const wordsOf = (text: string): readonly string[] => text.split(SPACES).filter((word) => word !== '');

/** `text.strip()`. */
export const stripped = (text: string): string => text.replace(OUTER_SPACES, '');

/** `text.splitlines()`. */
export function linesOf(text: string): readonly string[] {
  const lines = text.split(LINE_ENDS);
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
}

/** `text.islower()`: some letter has a case, and none of them is a capital. */
export const isLower = (text: string): boolean => /\p{Lowercase}/u.test(text) && !/[\p{Uppercase}\p{Lt}]/u.test(text);

/** `text.title()` of a text without capitals: one at its begin, and after all that is no cased letter. */
export const titled = (text: string): string =>
  text.replace(/(?<!\p{Cased})\p{Cased}/gu, (letter) => titleCase(letter.codePointAt(0) ?? 0, letter));

/** Small letters that are two in one, such as ǆ: those with a capital in front come right before them. */
const DIGRAPHS: ReadonlySet<number> = new Set([0x1c6, 0x1c9, 0x1cc, 0x1f3]);

/** Greek small letters with an iota below, which has no letter of its own in a title. */
const IOTA_BELOW: ReadonlySet<number> = new Set([0x1fb3, 0x1fc3, 0x1ff3]);

/** Unicode's title case of a small letter, which JavaScript has not: capitals, but only the first of several. */
function titleCase(code: number, letter: string): string {
  if (code >= 0x10d0 && code <= 0x10ff) return letter;
  if (DIGRAPHS.has(code)) return String.fromCodePoint(code - 1);
  if (code >= 0x1f80 && code <= 0x1faf) return String.fromCodePoint(code | 8);
  if (IOTA_BELOW.has(code)) return String.fromCodePoint(code + 9);
  const capitals = letter.toUpperCase();
  if (code >= 0x1fb0 && code <= 0x1fff && capitals.endsWith('Ι') && capitals.length > 1) {
    return `${capitals.slice(0, -1)}\u0345`;
  }
  const [first = '', ...others] = capitals;
  return /\p{Cased}/u.test(first) ? first + others.join('').toLowerCase() : capitals;
}

/** `float(text)`, for digits of any script; undefined where Python raises a ValueError. */
export function floatIn(text: string): number | undefined {
  const plain = text.replace(/\p{Nd}/gu, (digit) => String(digitValue(digit.codePointAt(0) ?? 0)));
  return /^\d+(?:\.\d+)?$/u.test(plain) ? Number(plain) : undefined;
}

/** Decimal digits of a script are ten in a row, from zero on; rows may follow each other. */
function digitValue(code: number): number {
  let begin = code;
  while (/\p{Nd}/u.test(String.fromCodePoint(begin - 1))) --begin;
  return (code - begin) % 10;
}
