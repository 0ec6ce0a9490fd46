import { isArrayOf, isDetached } from '../../checks.js';
import { BYTES_NAME } from '../../endpoints.js';
import { QuantizeError } from '../../errors.js';
import type { ByteSource } from '../../io/byte-io.js';
import { unreadable } from '../failures.js';
import { unknownVersion } from '../unknown-version.js';

/** A model in memory. It is read where it lies, and nobody says when it changes. */
export class BytesSource implements ByteSource {
  readonly name = BYTES_NAME;
  readonly fileName = '';
  readonly size: number;
  readonly version: string;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array | ArrayBufferLike) {
    this.#bytes = isArrayOf(bytes, 'Uint8Array') ? bytes : wholeOf(bytes);
    if (isDetached(this.#bytes)) throw detached();
    this.size = this.#bytes.length;
    this.version = unknownVersion(this.size);
  }

  read(into: Uint8Array, position: number): Promise<void> {
    const end = position + into.length;
    // Of a buffer that has been transferred, nothing is left.
    if (end > this.#bytes.length) return Promise.reject(detached());
    if (into.length > 0) into.set(this.#bytes.subarray(position, end));
    return Promise.resolve();
  }

  sibling(name: string): Promise<ByteSource> {
    const detail = 'bytes by themselves have no neighbours; give all files of the model as an array of Files';
    return Promise.reject(new QuantizeError('missing_shard', { file: name, detail }));
  }

  /** Every read looks whether the bytes are still there. */
  checkUnchanged(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

const detached = (): QuantizeError => new QuantizeError('detached_buffer', { file: BYTES_NAME });

function wholeOf(buffer: ArrayBufferLike): Uint8Array {
  let whole: Uint8Array;
  try {
    whole = new Uint8Array(buffer);
  } catch {
    throw detached();
  }
  // Of what only calls itself a buffer, this is a copy.
  if (whole.buffer !== buffer) throw unreadable(BYTES_NAME, 'they are no buffer');
  return whole;
}
