import type { QuantizeError } from '../../errors.js';
import { invalidFile } from '../invalid-file.js';
import { CUT_OFF } from '../foreign-files.js';
import { decodeUtf8 } from '../utf8.js';
import { LENGTH_BYTES } from './key-values.js';
import { MAX_HEADER_BYTES } from './limits.js';
import type { ByteSource } from '../../io/byte-io.js';

/** Enough for a header without a vocabulary. Each read doubles what is there. */
const FIRST_READ_BYTES = 64 * 2 ** 10;

/** Names of tensors are shorter; if they are in ASCII, they need no decoder, which takes longer to start than to decode. */
const SHORT_BYTES = 128;

/**
 * Goes through a GGUF header from its first byte on. `fetch` makes bytes available, and is the only one that reads the
 * file; the others look at bytes that were fetched. Memory grows only as far as the file has bytes to fill it.
 */
export class HeaderReader {
  readonly source: ByteSource;
  position = 0;
  #bytes = new Uint8Array();
  #view = new DataView(this.#bytes.buffer);

  constructor(source: ByteSource) {
    this.source = source;
  }

  /** Bytes of the file that were not gone through yet. */
  get following(): number {
    return this.source.size - this.position;
  }

  /** Whether the next `bytes` bytes are there to be looked at. */
  has(bytes: number): boolean {
    return bytes <= this.#bytes.length - this.position;
  }

  /** Makes the next `bytes` bytes available; `what` names them in messages ("the value of …"), `layer` their tensor. */
  async fetch(bytes: number, what: string, layer?: string): Promise<void> {
    if (this.has(bytes)) return;
    const { size } = this.source;
    const end = this.position + bytes;
    if (end > size) throw this.invalid(`it ends at byte ${size}, within ${what}; ${CUT_OFF}`, layer);
    if (end > MAX_HEADER_BYTES) throw this.invalid(`its header is over the limit of ${MAX_HEADER_BYTES} bytes`, layer);
    const grown = Math.max(end, this.#bytes.length * 2, FIRST_READ_BYTES);
    const larger = new Uint8Array(Math.min(grown, size, MAX_HEADER_BYTES));
    larger.set(this.#bytes);
    await this.source.read(larger.subarray(this.#bytes.length), this.#bytes.length);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }

  u32(): number {
    const value = this.#view.getUint32(this.position, true);
    this.position += 4;
    return value;
  }

  u64(): bigint {
    const value = this.#view.getBigUint64(this.position, true);
    this.position += LENGTH_BYTES;
    return value;
  }

  /** A number of 64 bits, or the nearest one that JavaScript has. */
  number64(): number {
    const value = this.peek64();
    this.position += LENGTH_BYTES;
    return value;
  }

  /** The number of 32 bits that is next, without going past it. */
  peek32(): number {
    return this.#view.getUint32(this.position, true);
  }

  /** The number of 64 bits that is next, without going past it, or the nearest one that JavaScript has. */
  peek64(): number {
    const low = this.#view.getUint32(this.position, true);
    return this.#view.getUint32(this.position + 4, true) * 2 ** 32 + low;
  }

  /**
   * A count of things that take at least `least` bytes each, checked against `most` and against what follows of the file.
   * `what` names them, when it comes to that: "strings in …".
   */
  count(what: () => string, least: number, most: number): number {
    const count = this.peek64();
    const exact = this.position;
    this.position += LENGTH_BYTES;
    if (count * least <= this.following && count <= most) return count;
    const announced = this.#view.getBigUint64(exact, true);
    if (count * least > this.following) throw this.tooShort(`${announced} ${what()}`, announced * BigInt(least));
    throw this.invalid(`its ${announced} ${what()} are over the limit of ${most}`);
  }

  /** Goes past a text of `bytes` bytes, which were fetched, and gives it; null where they are not valid UTF-8. */
  text(bytes: number): string | null {
    if (bytes > SHORT_BYTES) return this.#longText(bytes);
    const codes: number[] = [];
    for (let index = 0; index < bytes; ++index) {
      const code = this.#bytes[this.position + index] ?? 0;
      if (code >= 0x80) return this.#longText(bytes);
      codes.push(code);
    }
    this.position += bytes;
    return String.fromCharCode(...codes);
  }

  #longText(bytes: number): string | null {
    const taken = this.take(bytes);
    return isUtf8(taken) ? decodeUtf8(taken) : null;
  }

  /** Goes past the next `bytes` bytes, which were fetched, and gives them: a view that is good until the next fetch. */
  take(bytes: number): Uint8Array {
    const taken = this.#bytes.subarray(this.position, this.position + bytes);
    this.position += bytes;
    return taken;
  }

  /** The header's bytes so far, without those that were read ahead. */
  copy(): Uint8Array {
    return this.#bytes.slice(0, this.position);
  }

  /** The error of a file that announces `what`, which takes `bytes` bytes at least, and ends before. */
  tooShort(what: string, bytes: bigint): QuantizeError {
    const reason = bytes > BigInt(MAX_HEADER_BYTES) ? 'it is damaged' : CUT_OFF;
    return this.invalid(`it announces ${what}, but only ${this.following} bytes follow; ${reason}`);
  }

  invalid(detail: string, layer?: string): QuantizeError {
    return invalidFile(this.source, detail, layer === undefined ? {} : { layer });
  }
}

/**
 * Whether `bytes` are valid UTF-8: no overlong forms, no surrogates, nothing beyond U+10FFFF. A decoder would find the
 * same, but takes ten times as long for the short strings of a vocabulary.
 */
export function isUtf8(bytes: Uint8Array): boolean {
  let at = 0;
  while (at < bytes.length) {
    const first = bytes[at] ?? 0;
    ++at;
    if (first < 0x80) continue;
    const length = sequenceLength(first);
    if (length === 0 || at + length - 1 > bytes.length) return false;
    let code = first & (0x7f >> length);
    for (const end = at + length - 1; at < end; ++at) {
      const next = bytes[at] ?? 0;
      if ((next & 0xc0) !== 0x80) return false;
      code = (code << 6) | (next & 0x3f);
    }
    if (!isShortestForm(code, length) || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) return false;
  }
  return true;
}

/** Bytes of a sequence that begins with `first`, which is no ASCII; 0 when none does. */
function sequenceLength(first: number): number {
  if (first >= 0xc0 && first < 0xe0) return 2;
  if (first >= 0xe0 && first < 0xf0) return 3;
  return first >= 0xf0 && first < 0xf8 ? 4 : 0;
}

const isShortestForm = (code: number, length: number): boolean =>
  code >= (length === 2 ? 0x80 : length === 3 ? 0x800 : 0x10000);
