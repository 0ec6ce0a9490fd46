/** The caller's own key-value pairs for a GGUF. */

import { fieldsOf, invalidOption, knownKeys, nameIn, shown } from '../checks.js';
import type { GgufElement, GgufElementType, PlainKeyValue } from '../containers/gguf/plain-key-value.js';
import { utf8Bytes } from '../containers/utf8.js';
import { QuantizeError, quoted } from '../errors.js';

interface Integers {
  readonly bits: number;
  readonly isSigned: boolean;
}

/** By type; null for what is no integer. GGUF's own table would bring all that reads such files into every page. */
const ELEMENTS: Readonly<Record<GgufElementType, Integers | null>> = {
  u8: { bits: 8, isSigned: false },
  i8: { bits: 8, isSigned: true },
  u16: { bits: 16, isSigned: false },
  i16: { bits: 16, isSigned: true },
  u32: { bits: 32, isSigned: false },
  i32: { bits: 32, isSigned: true },
  u64: { bits: 64, isSigned: false },
  i64: { bits: 64, isSigned: true },
  ...{ f32: null, f64: null, bool: null, string: null },
};

const ELEMENT_TYPES = Object.keys(ELEMENTS) as readonly GgufElementType[];

/** What the value of a pair may be; `i32[]` is an array of i32. */
export const KEY_VALUE_TYPES: readonly string[] = ELEMENT_TYPES.flatMap((type) => [type, `${type}[]`]);

/** The limit that the format sets. */
const MOST_KEY_BYTES = 65_535;

/** Those that follow from the weights, their types, and how many files there are. */
const DECIDED: readonly string[] = [
  ...['general.architecture', 'general.alignment', 'general.file_type', 'general.quantization_version'],
  ...['split.no', 'split.count', 'split.tensors.count', 'arrowquant.effort'],
];

const SHAPE = 'an object, or a Map, of { type, value } by key';

/**
 * Pairs, by key: a Map, pairs, or a plain object. They are copied: what the caller does with them later must not change a
 * conversion that is under way. Throws `invalid_option` for what no file can have, or what the caller does not decide.
 */
export function readKeyValues(given: unknown): readonly PlainKeyValue[] | undefined {
  if (given === undefined || given === null) return undefined;
  if (typeof given !== 'object') throw invalidOption('keyValues', given, SHAPE);
  const pairs: Iterable<unknown> = Symbol.iterator in given ? (given as Iterable<unknown>) : Object.entries(given);
  const read = new Map<string, PlainKeyValue>();
  for (const pair of pairs) {
    const [key, about] = Array.isArray(pair) ? (pair as readonly unknown[]) : [];
    if (typeof key !== 'string') throw invalidOption('keyValues', given, SHAPE);
    if (read.has(key)) throw refused(`keyValues has ${quoted(key)} twice`);
    read.set(key, readKeyValue(key, about));
  }
  return [...read.values()];
}

const refused = (detail: string): QuantizeError => new QuantizeError('invalid_option', { detail });

function readKeyValue(key: string, about: unknown): PlainKeyValue {
  checkKey(key);
  const place = `keyValues[${quoted(key)}]`;
  if (typeof about !== 'object' || about === null) throw invalidOption(place, about, 'an object { type, value }');
  knownKeys(place, about, { type: true, value: true });
  const { type, value } = fieldsOf(about);
  const named = nameIn(KEY_VALUE_TYPES, type);
  if (named === undefined) throw invalidOption(`${place}.type`, type, `one of ${KEY_VALUE_TYPES.join(', ')}`);
  const element = ELEMENT_TYPES.find((one) => named === one || named === `${one}[]`) ?? 'string';
  if (named === element) {
    const read = readElement(`${place}.value`, element, value);
    if (read === '') throw refused(`${place} is empty, and files have no empty texts; leave it out`);
    return { key, type: element, value: read };
  }
  if (!Array.isArray(value)) throw invalidOption(`${place}.value`, value, `an array, as the type is ${named}`);
  if (value.length === 0) throw refused(`${place} is empty, and files have no empty arrays; leave it out`);
  const read = Array.from(value, (one: unknown, at) => readElement(`${place}.value[${String(at)}]`, element, one));
  return { key, type: element, value: read };
}

function checkKey(key: string): void {
  if (key === '') throw refused('keyValues has an empty key');
  if (DECIDED.includes(key)) {
    throw refused(
      `keyValues must not have ${quoted(key)}, which follows from the weights and their types; leave it out`,
    );
  }
  if (!isText(key) || /\p{Cc}/u.test(key) || utf8Bytes(key) > MOST_KEY_BYTES) {
    throw refused(
      `keyValues has the key ${quoted(key)}; keys are well-formed Unicode without control characters, of at most ${MOST_KEY_BYTES} bytes`,
    );
  }
}

/** Whether a text has no half of a surrogate pair by itself. */
export const isText = (text: string): boolean => !/\p{Cs}/u.test(text);

function readElement(place: string, type: GgufElementType, value: unknown): GgufElement {
  if (type === 'bool') {
    if (typeof value === 'boolean') return value;
    throw invalidOption(place, value, 'true or false');
  }
  if (type === 'string') {
    if (typeof value === 'string' && isText(value)) return value;
    throw invalidOption(place, value, 'a text of well-formed Unicode');
  }
  const integers = ELEMENTS[type];
  if (integers !== null) return readInteger(place, integers, value);
  const number = typeof value === 'number' && type === 'f32' ? Math.fround(value) : value;
  if (typeof number === 'number' && Number.isFinite(number)) return number;
  throw invalidOption(place, value, `a number that ${type} holds`);
}

function readInteger(place: string, { bits, isSigned }: Integers, value: unknown): bigint {
  const most = 2n ** BigInt(isSigned ? bits - 1 : bits) - 1n;
  const least = isSigned ? -most - 1n : 0n;
  const whole = typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof whole === 'bigint' && whole >= least && whole <= most) return whole;
  const beyond = typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value);
  const hint = beyond ? '; numbers so large are exact as bigints only' : '';
  const said = typeof value === 'bigint' ? String(value) : shown(value);
  throw refused(`${place} is ${said}, must be a whole number from ${String(least)} to ${String(most)}${hint}`);
}
