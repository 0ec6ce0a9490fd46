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

  /** What the folder that they lie in is called; empty where that is not known. */
  get folderName(): string {
    return this.#anchor.folderName ?? '';
  }

  /**
   * The names of what is in a folder beside the model, or in the model's own when that is empty, sorted; folders may be among
   * them. None where there is no such folder, or nobody can tell.
   */
  async list(folder = ''): Promise<readonly string[]> {
    if (folder !== '' && !isBeside(folder)) return [];
    const names = await this.#anchor.list?.(folder);
    return [...(names ?? [])].sort();
  }

  /**
   * The file of that name, which may be in a folder beside the model; null where there is none, or the name leads out of the
   * model's folder. Rejects when it is there, but cannot be opened.
   */
  find(name: string): Promise<ByteSource | null> {
    if (!isBeside(name)) return Promise.resolve(null);
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

/** Names come from files. Those with characters that no name can have are in no folder. */
const isBeside = (name: string): boolean =>
  !/^[a-z]:|[\\\p{Cc}\p{Cs}]/iu.test(name) && name.split('/').every((part) => !['', '.', '..'].includes(part));
