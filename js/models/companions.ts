import { QuantizeError } from '../errors.js';
import type { ByteSource } from '../io/byte-io.js';

/** The files beside a model that are no weights: its config, its tokenizer. Each is opened when it is asked for, and once. */
export class Companions {
  readonly #anchor: ByteSource;
  readonly #found = new Map<string, Promise<ByteSource | null>>();
  readonly #opened: ByteSource[] = [];

  /** `anchor` is the file that they lie beside. */
  constructor(anchor: ByteSource) {
    this.#anchor = anchor;
  }

  /** Those that were found. */
  get opened(): readonly ByteSource[] {
    return this.#opened;
  }

  /** The file of that name; null where there is none. Rejects when it is there, but cannot be opened. */
  find(name: string): Promise<ByteSource | null> {
    const found = this.#found.get(name) ?? this.#open(name);
    this.#found.set(name, found);
    return found;
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#found.values());
    await Promise.all(this.#opened.map((source) => source.close()));
  }

  async #open(name: string): Promise<ByteSource | null> {
    try {
      const source = await this.#anchor.sibling(name);
      this.#opened.push(source);
      return source;
    } catch (error) {
      if (error instanceof QuantizeError && error.code === 'missing_shard') return null;
      throw error;
    }
  }
}
