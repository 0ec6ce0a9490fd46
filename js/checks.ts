/** What callers pass, looked at without trust: values may be of any type and from another realm. */

import { QuantizeError, asQuantizeError, quoted, type QuantizeErrorCode } from './errors.js';

interface Arrays {
  readonly Float32Array: Float32Array;
  readonly Uint8Array: Uint8Array;
}

/** Whether `value` is a typed array of that kind. By tag: those of another realm are no `instanceof` ours. */
export function isArrayOf<K extends keyof Arrays>(value: unknown, kind: K): value is Arrays[K] {
  return ArrayBuffer.isView(value) && Object.prototype.toString.call(value) === `[object ${kind}]`;
}

/** Whether `value` is a buffer: by tag, for those of another realm. */
export function isBuffer(value: unknown): value is ArrayBufferLike {
  const tag = Object.prototype.toString.call(value);
  return tag === '[object ArrayBuffer]' || tag === '[object SharedArrayBuffer]';
}

/** Whether an array's memory has been transferred away. (Its own flag for that is younger than some engines.) */
export function isDetached({ buffer, byteLength }: ArrayBufferView): boolean {
  if (byteLength > 0) return false;
  try {
    return new Uint8Array(buffer).length < 0;
  } catch {
    return true;
  }
}

/**
 * Gives what `read` gives. Reading what callers pass may run code of theirs (getters, iterators); what that throws
 * becomes the cause of an error with the given code.
 */
export function reading<T>(code: QuantizeErrorCode, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw asQuantizeError(error, code);
  }
}

/** The fields of what should be an object. */
export const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};

/** What an error says. Not by `instanceof`: it may be of another realm. */
export function messageOf(error: unknown): string {
  const { message } = fieldsOf(error);
  return typeof message === 'string' && message !== '' ? message : String(error);
}

/**
 * The options that a caller gave; none is the same as an empty object. What is no plain object, such as a Promise, a Map or
 * the signal itself, would be one without options.
 */
export function optionsOf<T extends object>(options: T | null | undefined): Partial<T> {
  if (options === undefined || options === null) return {};
  const needed = 'an object of options by name';
  if (typeof options !== 'object') throw invalidOption('options', options, needed);
  const kind = Object.prototype.toString.call(options).slice('[object '.length, -1);
  if (kind === 'Object' || kind === 'Module') return options;
  throw new QuantizeError('invalid_option', { detail: `options is of the kind ${quoted(kind)}, must be ${needed}` });
}

/** How a text repeats an offending value. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  if (typeof value === 'bigint') return `${String(value)}n`;
  return typeof value === 'function' ? 'a function' : String(value);
}

export const invalidOption = (name: string, value: unknown, needed: string): QuantizeError =>
  new QuantizeError('invalid_option', { detail: `${name} is ${shown(value)}, must be ${needed}` });

/**
 * Throws `invalid_option` for a key of `given` that `known` lacks, and names the nearest one: what is misspelt would be
 * ignored. `place` is what has the key, such as `rules[1]`; null stands for the options themselves. Keys without a value
 * are let pass. What is inherited counts, since it is read too.
 */
export function knownKeys(place: string | null, given: object, known: Readonly<Record<string, unknown>>): void {
  const names = Object.keys(known);
  const fields = fieldsOf(given);
  const unknown = keysOf(given).find((key) => !Object.hasOwn(known, key) && fields[key] !== undefined);
  if (unknown === undefined) return;
  const nearest = nearestName(unknown, names);
  const hint = nearest === undefined ? `known are ${names.join(', ')}` : `did you mean ${quoted(nearest)}?`;
  const missing = place === null ? 'there is no option' : `${place} has no key`;
  throw new QuantizeError('invalid_option', { detail: `${missing} ${quoted(unknown)}; ${hint}` });
}

/**
 * Own keys that can be listed, and those of the prototypes: also the accessors of classes, which cannot be listed, but not
 * their methods, nor what every object has.
 */
function keysOf(given: object): readonly string[] {
  const keys = Object.keys(given);
  let level: unknown = Object.getPrototypeOf(given);
  while (typeof level === 'object' && level !== null && level !== Object.prototype) {
    const fields = Object.entries(Object.getOwnPropertyDescriptors(level));
    const read = fields.filter(([, field]) => field.enumerable === true || 'get' in field);
    keys.push(...read.map(([key]) => key).filter((key) => !(key in Object.prototype)));
    level = Object.getPrototypeOf(level);
  }
  return keys;
}

/** The name that `text` seems to be meant for: it differs in a third of its letters at most, or begins with all of them. */
export function nearestName(text: string, names: readonly string[]): string | undefined {
  const plain = (name: string): string => name.toLowerCase().replace(/[_-]/gu, '');
  const wanted = plain(text);
  let least = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  let nearest: string | undefined;
  for (const name of names) {
    const candidate = plain(name);
    if (Math.abs(candidate.length - wanted.length) >= least) continue;
    const distance = editDistance(wanted, candidate);
    if (distance >= least) continue;
    least = distance;
    nearest = name;
  }
  return nearest ?? (wanted.length < 3 ? undefined : names.find((name) => plain(name).startsWith(wanted)));
}

/** How many letters must be put in, left out, replaced, or swapped with their neighbours to make `a` of `b`. */
function editDistance(a: string, b: string): number {
  let before: readonly number[] = [];
  let last: readonly number[] = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; ++row) {
    const current = [row];
    for (let column = 1; column <= b.length; ++column) {
      const replaced = (last[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      const swaps = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      const swapped = swaps ? (before[column - 2] ?? 0) + 1 : Infinity;
      current.push(Math.min(replaced, swapped, (last[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    before = last;
    last = current;
  }
  return last[b.length] ?? 0;
}

/** The name in `names` that `value` is but for the case of its letters; undefined if there is none. */
export function nameIn<Name extends string>(names: readonly Name[], value: unknown): Name | undefined {
  if (typeof value !== 'string') return undefined;
  const wanted = value.toLowerCase();
  return names.find((name) => name.toLowerCase() === wanted);
}

/** The entry of `table` that `value` names; undefined when there is no value. */
export function choice<V>(name: string, value: unknown, table: Readonly<Record<string, V>>): V | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string' && Object.hasOwn(table, value)) return table[value];
  const names = Object.keys(table).map((key) => JSON.stringify(key));
  throw invalidOption(name, value, names.join(' or '));
}

export function flag(name: string, value: unknown): boolean {
  if (value === undefined || value === null) return false;
  if (typeof value === 'boolean') return value;
  throw invalidOption(name, value, 'true or false');
}

/** `value` if it is a whole number from 1 to `most`; undefined when there is no value. */
export function wholeNumber(name: string, value: unknown, most: number): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw invalidOption(name, value, `a whole number from 1 to ${String(most)}`);
}
