/** Protocol buffers that lie in memory, as fields without what they mean. */

import { decodeStrictly } from '../../../containers/utf8.js';
import { QuantizeError } from '../../../errors.js';

export type WireValue =
  | { readonly kind: 'varint'; readonly value: number }
  | { readonly kind: 'fixed'; readonly bytes: Uint8Array }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array };

export interface WireField {
  readonly number: number;
  readonly value: WireValue;
}

const MOST_VARINT_BYTES = 10;

/** Throws a RangeError, whose message says what is wrong, for what is no message. Numbers over 2^53 are rounded. */
export function* fieldsOf(bytes: Uint8Array): Generator<WireField> {
  const reader = new Reader(bytes);
  while (!reader.isAtEnd) yield reader.field();
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  field(): WireField {
    const tag = this.#varint();
    const number = Math.floor(tag / 8);
    if (number < 1 || number >= 2 ** 29) throw new RangeError(`it has a field number ${number}`);
    return { number, value: this.#value(tag % 8) };
  }

  #value(type: number): WireValue {
    switch (type) {
      case 0:
        return { kind: 'varint', value: this.#varint() };
      case 1:
        return { kind: 'fixed', bytes: this.#take(8) };
      case 2:
        return { kind: 'bytes', bytes: this.#take(this.#varint()) };
      case 5:
        return { kind: 'fixed', bytes: this.#take(4) };
      default:
        throw new RangeError(`it has a field of wire type ${type}`);
    }
  }

  #varint(): number {
    let value = 0;
    for (let count = 0; count < MOST_VARINT_BYTES; ++count) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * 2 ** (7 * count);
      if (byte < 0x80) return value;
    }
    throw new RangeError('it has a number that does not end');
  }

  #take(count: number): Uint8Array {
    const begin = this.#at;
    if (count > this.#bytes.length - begin) throw new RangeError('it has a field that reaches beyond its end');
    this.#at += count;
    return this.#bytes.subarray(begin, this.#at);
  }
}

/** Throws a RangeError for bytes that are no UTF-8. */
export function wireText(bytes: Uint8Array): string {
  try {
    return decodeStrictly(bytes);
  } catch (cause) {
    // Not of what class: its own may be another realm's.
    if (cause instanceof QuantizeError) throw cause;
    throw new RangeError('it has a text that is no UTF-8', { cause });
  }
}
