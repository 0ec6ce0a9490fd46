import { encodeUtf8 } from './utf8.js';

/** Most headers without a vocabulary are shorter. */
const FIRST_BYTES = 64 * 2 ** 10;

const ZERO = '0'.charCodeAt(0);

/**
 * Puts a header together, in memory that grows with it. Texts and numbers of tens of thousands of tensors go into it
 * without becoming strings or arrays of their own, which would take several times as long.
 */
export class HeaderWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  /** `bytes` are those that it will have, where the caller knows: nothing is copied then. */
  constructor(bytes = FIRST_BYTES) {
    const first = new Uint8Array(bytes);
    this.#bytes = first;
    this.#view = new DataView(first.buffer);
  }

  get length(): number {
    return this.#length;
  }

  /** Little-endian. */
  u32(value: number): void {
    const at = this.#take(4);
    this.#view.setUint32(at, value, true);
  }

  /** A whole number that JavaScript has exactly, little-endian. */
  u64(value: number): void {
    const at = this.#take(8);
    this.#view.setUint32(at, value % 2 ** 32, true);
    this.#view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
  }

  bytes(bytes: Uint8Array): void {
    const at = this.#take(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** The text's UTF-8. */
  utf8(text: string): void {
    const { length } = text;
    const begin = this.#take(length);
    for (let index = 0; index < length; ++index) {
      const code = text.charCodeAt(index);
      if (code >= 0x80) {
        this.#length = begin;
        this.bytes(encodeUtf8(text));
        return;
      }
      this.#bytes[begin + index] = code;
    }
  }

  /** The digits of a whole number that is not negative. */
  decimal(value: number): void {
    let digits = 1;
    for (let power = 10; power <= value; power *= 10) ++digits;
    const begin = this.#take(digits);
    for (let at = begin + digits - 1; at >= begin; --at) {
      const rest = value % 10;
      this.#bytes[at] = ZERO + rest;
      value = (value - rest) / 10;
    }
  }

  /** What was written, and bytes of the value `padding` behind it up to `length` bytes. It is the last call. */
  finish(length: number, padding = 0): Uint8Array {
    const isWhole = this.#bytes.length === length;
    const bytes = isWhole ? this.#bytes : new Uint8Array(length);
    if (!isWhole) bytes.set(this.#bytes.subarray(0, this.#length));
    return bytes.fill(padding, this.#length);
  }

  #take(bytes: number): number {
    const at = this.#length;
    this.#length += bytes;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}
