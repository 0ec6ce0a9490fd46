/** What callers pass, looked at without trust: values may be of any type and from another realm. */

import { QuantizeError, asQuantizeError, type QuantizeErrorCode } from './errors.js';

interface Arrays {
  readonly Float32Array: Float32Array;
  readonly Uint8Array: Uint8Array;
}

/** Whether `value` is a typed array of that kind. By tag: those of another realm are no `instanceof` ours. */
export function isArrayOf<K extends keyof Arrays>(value: unknown, kind: K): value is Arrays[K] {
  return ArrayBuffer.isView(value) && Object.prototype.toString.call(value) === `[object ${kind}]`;
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

/** The options that a caller gave; none is the same as an empty object. */
export function optionsOf<T extends object>(options: T | null | undefined): Partial<T> {
  if (options === undefined || options === null) return {};
  if (typeof options !== 'object') throw invalidOption('options', options, 'an object');
  return options;
}

/** How a text repeats an offending value. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  return typeof value === 'function' ? 'a function' : String(value);
}

export const invalidOption = (name: string, value: unknown, needed: string): QuantizeError =>
  new QuantizeError('invalid_option', { detail: `${name} is ${shown(value)}, must be ${needed}` });

/** The entry of `table` that `value` names; undefined when there is no value. */
export function choice<V>(name: string, value: unknown, table: Readonly<Record<string, V>>): V | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'string' && Object.hasOwn(table, value)) return table[value];
  const names = Object.keys(table).map((key) => JSON.stringify(key));
  throw invalidOption(name, value, names.join(' or '));
}

export function flag(name: string, value: unknown): boolean {
  if (value === undefined) return false;
  if (typeof value === 'boolean') return value;
  throw invalidOption(name, value, 'true or false');
}

/** `value` if it is a whole number from 1 to `most`; undefined when there is no value. */
export function wholeNumber(name: string, value: unknown, most: number): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw invalidOption(name, value, `a whole number from 1 to ${String(most)}`);
}
