import { GGUF_TYPES, type GgufKeyValue } from './key-values.js';

/** Most headers without a vocabulary are shorter. */
const FIRST_BYTES = 64 * 2 ** 10;

const ENCODER = new TextEncoder();

/** Puts a header together, little-endian, in memory that grows with it. */
export class HeaderWriter {
  #bytes = new Uint8Array(FIRST_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  u32(value: number): void {
    const at = this.#take(4);
    this.#view.setUint32(at, value, true);
  }

  /** A whole number that JavaScript has exactly. */
  u64(value: number): void {
    const at = this.#take(8);
    this.#view.setUint32(at, value % 2 ** 32, true);
    this.#view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
  }

  bytes(bytes: Uint8Array): void {
    const at = this.#take(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** Its length in bytes, then its UTF-8, of which there are `utf8Bytes` bytes. */
  text(text: string, utf8Bytes: number): void {
    this.u64(utf8Bytes);
    if (utf8Bytes !== text.length) {
      this.bytes(ENCODER.encode(text));
      return;
    }
    const at = this.#take(utf8Bytes);
    for (let index = 0; index < utf8Bytes; ++index) this.#bytes[at + index] = text.charCodeAt(index);
  }

  pair({ key, type, encoded }: GgufKeyValue, keyBytes: number): void {
    this.text(key, keyBytes);
    this.u32(GGUF_TYPES.indexOf(type));
    this.bytes(encoded);
  }

  /** What was written, and zeros behind it up to `length` bytes. */
  finish(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    bytes.set(this.#bytes.subarray(0, this.#length));
    return bytes;
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
