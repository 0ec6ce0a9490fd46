/** Texts as UTF-8. What does it is made when it is first needed: to import the package touches no global. */

import { QuantizeError } from '../errors.js';

const ASCII = /^[\0-\x7f]*$/u;

let encoder: TextEncoder | undefined;
let decoder: TextDecoder | undefined;

/** Imitations of browsers, such as jsdom, lack some of what all others have. Throws `missing_global`. */
function check(name: 'TextEncoder' | 'TextDecoder'): void {
  if (!(name in globalThis)) throw new QuantizeError('missing_global', { detail: name });
}

function makeEncoder(): TextEncoder {
  check('TextEncoder');
  return new TextEncoder();
}

function makeDecoder(options: TextDecoderOptions): TextDecoder {
  check('TextDecoder');
  return new TextDecoder('utf-8', options);
}

/** Throws `missing_global`, as the others do. */
export const encodeUtf8 = (text: string): Uint8Array<ArrayBuffer> => (encoder ??= makeEncoder()).encode(text);

/** Bytes that a character of a text (a UTF-16 unit) takes at most. */
export const MOST_UTF8_BYTES = 3;

/** Puts a text at the beginning of `bytes`, which must be long enough; gives how many bytes it takes. */
export const encodeUtf8Into = (text: string, bytes: Uint8Array): number =>
  (encoder ??= makeEncoder()).encodeInto(text, bytes).written;

/** The text of valid UTF-8. It may begin with a byte order mark, and keeps it. */
export const decodeUtf8 = (bytes: Uint8Array): string => (decoder ??= makeDecoder({ ignoreBOM: true })).decode(bytes);

/** The text of what may be no UTF-8, without a byte order mark. Throws a TypeError where it is none. */
export const decodeStrictly = (bytes: Uint8Array): string => makeDecoder({ fatal: true }).decode(bytes);

/** Bytes that a text takes in UTF-8. */
export const utf8Bytes = (text: string): number => (ASCII.test(text) ? text.length : encodeUtf8(text).length);
