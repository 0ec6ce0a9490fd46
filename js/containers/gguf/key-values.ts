import { QuantizeError } from '../../errors.js';
import { quoted } from '../invalid-file.js';
import { joinBytes } from '../../io/join-bytes.js';
import { decodeUtf8, encodeUtf8, encodeUtf8Into, MOST_UTF8_BYTES } from '../utf8.js';

/** The types of values in GGUF files, by name; the position is the number in the file. */
export const GGUF_TYPES = [
  'u8',
  'i8',
  'u16',
  'i16',
  'u32',
  'i32',
  'f32',
  'bool',
  'string',
  'array',
  'u64',
  'i64',
  'f64',
] as const;

export type GgufType = (typeof GGUF_TYPES)[number];
export type GgufScalarType = Exclude<GgufType, 'string' | 'array'>;

/** 64-bit integers are bigints, all other numbers are numbers. */
export type GgufValue = number | bigint | boolean | string | readonly GgufValue[];

/** Bytes of a value of a type that always takes the same. */
export const SCALAR_BYTES: Readonly<Record<GgufScalarType, number>> = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  f32: 4,
  bool: 1,
  u64: 8,
  i64: 8,
  f64: 8,
};

/** The length of a string, or of an array; an array's element type comes before it. */
export const LENGTH_BYTES = 8;
export const TYPE_BYTES = 4;
export const ARRAY_HEAD_BYTES = TYPE_BYTES + LENGTH_BYTES;

export const isScalarType = (type: GgufType): type is GgufScalarType => type !== 'string' && type !== 'array';

/**
 * A key and its value. The value is kept as the bytes that the file has for it, which is compact (a vocabulary has 150,000
 * strings) and copies every detail; it is decoded when it is asked for.
 */
export class GgufKeyValue {
  readonly key: string;
  readonly type: GgufType;
  /** The value as it lies in a file, behind its type. Nobody may change them. */
  readonly encoded: Uint8Array;

  /** `encoded` must be a right value of that type: those that come from files were checked when they were read. */
  constructor(key: string, type: GgufType, encoded: Uint8Array) {
    this.key = key;
    this.type = type;
    this.encoded = encoded;
  }

  /** The value, decoded anew each time. */
  get value(): GgufValue {
    return new Decoder(this.encoded).value(this.type);
  }

  /** Of an array: type and number of its elements, found without decoding them; null for other values. */
  get array(): { readonly type: GgufType; readonly length: number } | null {
    return this.type === 'array' ? new Decoder(this.encoded).arrayHead() : null;
  }
}

/** Reads values out of checked bytes. */
class Decoder {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  value(type: GgufType): GgufValue {
    if (type === 'string') return this.#string();
    if (type !== 'array') return this.#scalar(type);
    const head = this.arrayHead();
    return Array.from({ length: head.length }, () => this.value(head.type));
  }

  arrayHead(): { readonly type: GgufType; readonly length: number } {
    const type = GGUF_TYPES[this.#view.getUint32(this.#take(TYPE_BYTES), true)];
    if (type === undefined) throw new QuantizeError('internal', { detail: 'an array was not checked' });
    return { type, length: this.#length() };
  }

  #string(): string {
    const length = this.#length();
    const begin = this.#take(length);
    return decodeUtf8(this.#bytes.subarray(begin, begin + length));
  }

  #scalar(type: GgufScalarType): number | bigint | boolean {
    const at = this.#take(SCALAR_BYTES[type]);
    switch (type) {
      case 'u8':
        return this.#view.getUint8(at);
      case 'i8':
        return this.#view.getInt8(at);
      case 'u16':
        return this.#view.getUint16(at, true);
      case 'i16':
        return this.#view.getInt16(at, true);
      case 'u32':
        return this.#view.getUint32(at, true);
      case 'i32':
        return this.#view.getInt32(at, true);
      case 'f32':
        return this.#view.getFloat32(at, true);
      case 'bool':
        return this.#view.getUint8(at) !== 0;
      case 'u64':
        return this.#view.getBigUint64(at, true);
      case 'i64':
        return this.#view.getBigInt64(at, true);
      case 'f64':
        return this.#view.getFloat64(at, true);
    }
  }

  #length(): number {
    return Number(this.#view.getBigUint64(this.#take(LENGTH_BYTES), true));
  }

  #take(bytes: number): number {
    const at = this.#position;
    this.#position += bytes;
    return at;
  }
}

/** The pair with that key. */
export const findKeyValue = (keyValues: readonly GgufKeyValue[], key: string): GgufKeyValue | undefined =>
  keyValues.find((one) => one.key === key);

/** The whole number that `key` has, of whatever integer type; undefined when there is no such key or it is none. */
export function wholeNumberOf(keyValues: readonly GgufKeyValue[], key: string): number | undefined {
  const entry = findKeyValue(keyValues, key);
  if (entry === undefined || !isScalarType(entry.type)) return undefined;
  const { value } = entry;
  const number = typeof value === 'bigint' ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) ? number : undefined;
}

/** The text that `key` has; undefined when there is no such key or it is no string. */
export function textOf(keyValues: readonly GgufKeyValue[], key: string): string | undefined {
  const entry = findKeyValue(keyValues, key);
  const value = entry?.type === 'string' ? entry.value : undefined;
  return typeof value === 'string' ? value : undefined;
}

/** `keyValues` with `entry` in the place of the one with its key, or at the end when there is none. */
export function withKeyValue(keyValues: readonly GgufKeyValue[], entry: GgufKeyValue): readonly GgufKeyValue[] {
  if (findKeyValue(keyValues, entry.key) === undefined) return [...keyValues, entry];
  return keyValues.map((one) => (one.key === entry.key ? entry : one));
}

/** `keyValues` without those keys. */
export function withoutKeys(keyValues: readonly GgufKeyValue[], keys: readonly string[]): readonly GgufKeyValue[] {
  const left = new Set(keys);
  return keyValues.filter(({ key }) => !left.has(key));
}

/** A pair with a number; what the type cannot hold throws `internal`, as the values come from this package. */
function numberEntry(key: string, type: 'u8' | 'u16' | 'u32' | 'i32' | 'f32', value: number): GgufKeyValue {
  const entry = new GgufKeyValue(key, type, encodeNumber(type, value));
  if (type !== 'f32' && entry.value !== value) {
    throw new QuantizeError('internal', { detail: `${quoted(key)} cannot be ${value} as ${type}` });
  }
  return entry;
}

export const u16 = (key: string, value: number): GgufKeyValue => numberEntry(key, 'u16', value);
export const u32 = (key: string, value: number): GgufKeyValue => numberEntry(key, 'u32', value);
export const i32 = (key: string, value: number): GgufKeyValue => numberEntry(key, 'i32', value);
/** Rounded to the nearest f32, half to even. */
export const f32 = (key: string, value: number): GgufKeyValue => numberEntry(key, 'f32', value);

export const flag = (key: string, value: boolean): GgufKeyValue =>
  new GgufKeyValue(key, 'bool', new Uint8Array([Number(value)]));

export const text = (key: string, value: string): GgufKeyValue => new GgufKeyValue(key, 'string', encodeText(value));

export function texts(key: string, values: Iterable<string>): GgufKeyValue {
  const full: Uint8Array[] = [];
  let bytes = new Uint8Array(FIRST_TEXTS_BYTES);
  let view = new DataView(bytes.buffer);
  let at = 0;
  let count = 0;
  for (const value of values) {
    const most = LENGTH_BYTES + value.length * MOST_UTF8_BYTES;
    if (at + most > bytes.length) {
      full.push(bytes.subarray(0, at));
      bytes = new Uint8Array(Math.max(most, Math.min(2 * bytes.length, MOST_TEXTS_BYTES)));
      view = new DataView(bytes.buffer);
      at = 0;
    }
    const length = encodeUtf8Into(value, bytes.subarray(at + LENGTH_BYTES));
    view.setBigUint64(at, BigInt(length), true);
    at += LENGTH_BYTES + length;
    ++count;
  }
  return new GgufKeyValue(key, 'array', joinBytes([arrayHead('string', count), ...full, bytes.subarray(0, at)]));
}

/** Texts are gathered in pieces: one that grows would leave several times its bytes behind. */
const [FIRST_TEXTS_BYTES, MOST_TEXTS_BYTES] = [2 ** 10, 2 ** 20];

/** An array of i32, as `comfy.gguf.orig_shape.<name>` is. What is no i32 throws `internal`. */
export function i32s(key: string, values: readonly number[]): GgufKeyValue {
  const wrong = values.find((value) => (value | 0) !== value);
  if (wrong !== undefined)
    throw new QuantizeError('internal', { detail: `${quoted(key)} cannot have ${wrong} as i32` });
  return numberEntries(key, 'i32', values);
}

/** An array of f32: the numbers rounded to the nearest, half to even. */
export const f32s = (key: string, values: readonly number[]): GgufKeyValue => numberEntries(key, 'f32', values);

/** An array of u8. */
export const u8s = (key: string, values: Uint8Array): GgufKeyValue =>
  new GgufKeyValue(key, 'array', joinBytes([arrayHead('u8', values.length), values]));

/** An array of bool. */
export const flags = (key: string, values: readonly boolean[]): GgufKeyValue =>
  new GgufKeyValue(key, 'array', joinBytes([arrayHead('bool', values.length), Uint8Array.from(values, Number)]));

function numberEntries(key: string, type: 'i32' | 'f32', values: readonly number[]): GgufKeyValue {
  const elements = new Uint8Array(values.length * SCALAR_BYTES[type]);
  const view = new DataView(elements.buffer);
  for (const [index, value] of values.entries()) {
    if (type === 'f32') view.setFloat32(index * SCALAR_BYTES.f32, value, true);
    else view.setInt32(index * SCALAR_BYTES.i32, value, true);
  }
  return new GgufKeyValue(key, 'array', joinBytes([arrayHead(type, values.length), elements]));
}

/** A string as it lies in a file: its length in bytes, then its UTF-8. */
function encodeText(value: string): Uint8Array {
  const utf8 = encodeUtf8(value);
  return joinBytes([encodeLength(utf8.length), utf8]);
}

function encodeNumber(type: 'u8' | 'u16' | 'u32' | 'i32' | 'f32', value: number): Uint8Array {
  const bytes = new Uint8Array(SCALAR_BYTES[type]);
  const view = new DataView(bytes.buffer);
  if (type === 'f32') view.setFloat32(0, value, true);
  else if (type === 'u8') view.setUint8(0, value);
  else if (type === 'u16') view.setUint16(0, value, true);
  else view.setUint32(0, value, true);
  return bytes;
}

/** A u64. */
function encodeLength(length: number): Uint8Array {
  const bytes = new Uint8Array(LENGTH_BYTES);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  return bytes;
}

const arrayHead = (type: GgufType, length: number): Uint8Array =>
  joinBytes([encodeNumber('u32', GGUF_TYPES.indexOf(type)), encodeLength(length)]);
