import type { GgufKeyValue } from '../containers/gguf/key-values.js';

/**
 * Key-value pairs in the order in which their keys came first: one that is set again keeps its place and gets the new value.
 * Empty texts and empty arrays are not kept, as llama.cpp's writer has it.
 */
export class KeyList {
  readonly #pairs = new Map<string, GgufKeyValue>();

  set(...pairs: readonly GgufKeyValue[]): void {
    for (const pair of pairs) if (!isEmpty(pair)) this.#pairs.set(pair.key, pair);
  }

  has(key: string): boolean {
    return this.#pairs.has(key);
  }

  delete(key: string): void {
    this.#pairs.delete(key);
  }

  get pairs(): readonly GgufKeyValue[] {
    return [...this.#pairs.values()];
  }
}

const isEmpty = ({ type, array, value }: GgufKeyValue): boolean =>
  type === 'string' ? value === '' : type === 'array' && array?.length === 0;
