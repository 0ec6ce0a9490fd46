/** JSON as the engine's own parser has it. */

import { invalidFile } from '../../containers/invalid-file.js';
import { isRecord } from '../../containers/json.js';
import type { ByteSource } from '../../io/byte-io.js';

/** A member of an object, however it is called: undefined where there is no such member, or no object. */
export const member = (value: unknown, name: string): unknown =>
  isRecord(value) && Object.hasOwn(value, name) ? value[name] : undefined;

/** What lies under names one in the other. */
export const within = (value: unknown, ...names: readonly string[]): unknown => names.reduce(member, value);

/** The items of a list; none where it is no list. */
export const itemsOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** A text that is not empty. */
export const textIn = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

/** The number of a token; as large as the format has room for. */
export const isTokenId = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < 2 ** 31;

export type Members = Iterable<readonly [name: string, value: unknown]>;

/** Those of an object. */
export function* membersOf(value: Readonly<Record<string, unknown>>): Members {
  for (const name in value) yield [name, value[name]];
}

const LONE_SURROGATE = /\p{Surrogate}/u;

/** Whether a text in a value, or a name in it, has half of a character, which no UTF-8 can hold. */
export function hasLoneSurrogate(value: unknown): boolean {
  const left = [value];
  while (left.length > 0) {
    const one = left.pop();
    if (typeof one === 'string' && LONE_SURROGATE.test(one)) return true;
    if (Array.isArray(one)) for (const item of itemsOf(one)) left.push(item);
    else if (isRecord(one)) for (const [name, item] of Object.entries(one)) left.push(name, item);
  }
  return false;
}

/** Parts of its model that are not among a file's values, as they are too large. */
interface LeftOut {
  readonly vocabulary?: Members | undefined;
  readonly merges?: Iterable<unknown> | undefined;
}

/** A file with a JSON object. */
export class PlainFile {
  readonly values: Readonly<Record<string, unknown>>;
  readonly #source: ByteSource;
  readonly #leftOut: LeftOut;

  /** Throws `invalid_file` for what is no object. */
  constructor(values: unknown, source: ByteSource, leftOut: LeftOut = {}) {
    this.#source = source;
    this.#leftOut = leftOut;
    if (!isRecord(values)) throw this.wrong('it is JSON, but no object');
    this.values = values;
  }

  has(name: string): boolean {
    return Object.hasOwn(this.values, name);
  }

  /** What lies under names one in the other. */
  get(...names: readonly string[]): unknown {
    return within(this.values, ...names);
  }

  /** The members of `model.vocab`; null where it is no object. */
  get vocabulary(): Members | null {
    const vocabulary = this.get('model', 'vocab');
    return this.#leftOut.vocabulary ?? (isRecord(vocabulary) ? membersOf(vocabulary) : null);
  }

  /** How many members `model.vocab` has. */
  countTokens(): number {
    const tokens = this.vocabulary?.[Symbol.iterator]();
    let count = 0;
    while (tokens?.next().done === false) ++count;
    return count;
  }

  /** The elements of `model.merges`; null where it is no list. */
  get merges(): Iterable<unknown> | null {
    const merges = this.get('model', 'merges');
    return this.#leftOut.merges ?? (Array.isArray(merges) ? itemsOf(merges) : null);
  }

  wrong(detail: string): Error {
    return invalidFile(this.#source, detail);
  }
}
