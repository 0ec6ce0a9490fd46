/** The key-value pairs of a GGUF as `inspect` prints them. */

import type { CarriedKeyValues } from '../../containers/gguf/contents.js';
import type { GgufKeyValue, GgufValue } from '../../containers/gguf/key-values.js';
import type { Model } from '../../models/model.js';

/** Templates are pages long; what is longer is cut. */
const MOST_CHARACTERS = 200;
const SHOWN_CHARACTERS = 120;

/** A text in one line; of a long one its beginning, and how long it is. */
export function shownText(text: string): string {
  const line = text.replace(/\r?\n|\r/gu, '\\n').replace(/\t/gu, '\\t');
  if (line.length <= MOST_CHARACTERS) return line;
  return `${line.slice(0, SHOWN_CHARACTERS)}… (${text.length} characters)`;
}

/** Several times what the largest vocabularies have; files of strangers may have a hundred times that. */
const MOST_ELEMENTS = 2 ** 22;

/**
 * A pair with all of its value, for JSON: integers of 64 bits that no number has exactly, and what is not finite, are texts.
 * Of arrays in arrays, and of more elements than anything needs, the value is null.
 */
export interface WholePair {
  readonly key: string;
  /** That of the elements and `[]` for an array. */
  readonly type: string;
  readonly value: unknown;
}

/** Of models that are no GGUF there are none. */
export function wholePairs({ carried }: Model): readonly WholePair[] | undefined {
  if (carried?.container !== 'gguf') return undefined;
  let left = MOST_ELEMENTS;
  return (carried as CarriedKeyValues).keyValues.map((pair) => {
    left -= pair.array?.length ?? 0;
    const isShown = left >= 0 && pair.array?.type !== 'array';
    return { key: pair.key, type: typeOf(pair), value: isShown ? exact(pair.value) : null };
  });
}

const typeOf = ({ type, array }: GgufKeyValue): string => (array === null ? type : `${array.type}[]`);

function exact(value: GgufValue): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  return typeof value === 'object' ? value.map(exact) : value;
}
