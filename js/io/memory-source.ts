import { QuantizeError } from '../errors.js';
import type { ByteSource } from './byte-io.js';

/** Bytes in memory that belong to a file: they were made of what is in it, and are named after it. */
export class MemorySource implements ByteSource {
  readonly name: string;
  readonly fileName = '';
  readonly size: number;
  readonly version = '';
  readonly #bytes: Uint8Array;

  constructor(name: string, bytes: Uint8Array) {
    this.name = name;
    this.size = bytes.length;
    this.#bytes = bytes;
  }

  read(into: Uint8Array, position: number): Promise<void> {
    if (position + into.length > this.size) {
      return Promise.reject(new QuantizeError('internal', { file: this.name, detail: 'a read beyond the end' }));
    }
    into.set(this.#bytes.subarray(position, position + into.length));
    return Promise.resolve();
  }

  sibling(name: string): Promise<ByteSource> {
    return Promise.reject(
      new QuantizeError('missing_shard', { file: name, detail: 'what is in memory has no neighbours' }),
    );
  }

  /** Nobody changes them. */
  checkUnchanged(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
