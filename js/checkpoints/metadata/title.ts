import { isLower, stripped, titled, wordsOf } from './python-words.js';

/** A version, and what begins with a digit. */
const LEFT_ALONE = /^(?:v\p{Nd}+(?:\.\p{Nd}+)*|\p{Nd}.*)$/u;

/** The name of a model by its id: its words with capitals, where they have none. */
export const titleOf = (id: string): string =>
  wordsOf(stripped(id).replaceAll('-', ' '))
    .map((word) => (isLower(word) && !LEFT_ALONE.test(word) ? titled(word) : word))
    .join(' ');
