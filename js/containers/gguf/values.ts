import {
  ARRAY_HEAD_BYTES,
  GGUF_TYPES,
  LENGTH_BYTES,
  SCALAR_BYTES,
  TYPE_BYTES,
  decodeText,
  isScalarType,
  type GgufType,
} from './key-values.js';
import { isUtf8, type HeaderReader } from './reader.js';

/** The largest strings known are whole tokenizer files, of less than 20 MB. */
export const MAX_STRING_BYTES = 64 * 2 ** 20;

/** The largest arrays known are merges, about half a million. */
export const MAX_ARRAY_ELEMENTS = 2 ** 26;

/** Writers use plain arrays only; the format lets them nest, and deep ones only cost memory. */
export const MAX_ARRAY_DEPTH = 4;

/** The fewest bytes that a value of a type takes. */
const leastBytes = (type: GgufType): number => {
  if (isScalarType(type)) return SCALAR_BYTES[type];
  return type === 'string' ? LENGTH_BYTES : ARRAY_HEAD_BYTES;
};

/** A value's type; `what` names the value in messages. */
export async function readType(reader: HeaderReader, what: string): Promise<GgufType> {
  await reader.fetch(TYPE_BYTES, what);
  const id = reader.u32();
  const type = GGUF_TYPES[id];
  if (type === undefined) throw reader.invalid(`${what} has the unknown type ${id}`);
  return type;
}

/** Goes past a value, and checks everything about it that decoding relies on. */
export async function skipValue(reader: HeaderReader, type: GgufType, what: string, depth = 0): Promise<void> {
  if (isScalarType(type)) await skipScalars(reader, type, 1, what);
  else if (type === 'string') await skipStrings(reader, 1, what);
  else await skipArray(reader, what, depth + 1);
}

async function skipArray(reader: HeaderReader, what: string, depth: number): Promise<void> {
  if (depth > MAX_ARRAY_DEPTH) throw reader.invalid(`${what} nests arrays deeper than ${MAX_ARRAY_DEPTH} levels`);
  const type = await readType(reader, what);
  await reader.fetch(LENGTH_BYTES, what);
  const count = reader.count(`elements in ${what}`, leastBytes(type), MAX_ARRAY_ELEMENTS);
  if (isScalarType(type)) await skipScalars(reader, type, count, what);
  else if (type === 'string') await skipStrings(reader, count, what);
  else for (let index = 0; index < count; ++index) await skipArray(reader, what, depth + 1);
}

async function skipScalars(
  reader: HeaderReader,
  type: keyof typeof SCALAR_BYTES,
  count: number,
  what: string,
): Promise<void> {
  const bytes = count * SCALAR_BYTES[type];
  await reader.fetch(bytes, what);
  const values = reader.take(bytes);
  const odd = type === 'bool' ? values.find((value) => value > 1) : undefined;
  if (odd !== undefined) throw reader.invalid(`${what} has the boolean ${odd}, must be 0 or 1`);
}

async function skipStrings(reader: HeaderReader, count: number, what: string): Promise<void> {
  for (let index = 0; index < count; ++index) {
    // A vocabulary has hundreds of thousands: most of them must not wait for anything.
    if (!reader.has(LENGTH_BYTES)) await reader.fetch(LENGTH_BYTES, what);
    const bytes = reader.count(`bytes of a string in ${what}`, 1, MAX_STRING_BYTES);
    if (!reader.has(bytes)) await reader.fetch(bytes, what);
    if (!isUtf8(reader.take(bytes))) throw reader.invalid(`a string in ${what} is not valid UTF-8`);
  }
}

/** A string that is short by its nature; `what` names it in messages, `most` is its limit in bytes. */
export async function readName(reader: HeaderReader, what: string, most: number): Promise<string> {
  await reader.fetch(LENGTH_BYTES, what);
  const length = reader.count(`bytes of ${what}`, 1, most);
  await reader.fetch(length, what);
  const bytes = reader.take(length);
  if (!isUtf8(bytes)) throw reader.invalid(`${what} is not valid UTF-8`);
  return decodeText(bytes);
}
