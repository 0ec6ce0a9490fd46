import { encodeUtf8 } from '../utf8.js';
import {
  ARRAY_HEAD_BYTES,
  GGUF_TYPES,
  GgufKeyValue,
  LENGTH_BYTES,
  SCALAR_BYTES,
  TYPE_BYTES,
  type GgufScalarType,
  type GgufType,
} from './key-values.js';

/** Types of values that are no arrays. */
export type GgufElementType = Exclude<GgufType, 'array'>;

/** What a value is, but for arrays: integers may be bigints, all other numbers are numbers. */
export type GgufElement = number | bigint | boolean | string;

/** A pair that is not encoded yet; `type` is that of the elements where the value is an array. */
export interface PlainKeyValue {
  readonly key: string;
  readonly type: GgufElementType;
  readonly value: GgufElement | readonly GgufElement[];
}

/**
 * The pair of a file. Each value must be one that the type holds: integers are written as they are, an f32 is rounded to the
 * nearest, half to even, and a string must be well-formed Unicode.
 */
export const encodedPair = ({ key, type, value }: PlainKeyValue): GgufKeyValue =>
  isList(value)
    ? new GgufKeyValue(key, 'array', encodeArray(type, value))
    : new GgufKeyValue(key, type, encodeElement(type, value));

const isList = (value: PlainKeyValue['value']): value is readonly GgufElement[] => Array.isArray(value);

function encodeArray(type: GgufElementType, values: readonly GgufElement[]): Uint8Array {
  const elements = values.map((element) => encodeElement(type, element));
  const bytes = new Uint8Array(elements.reduce((sum, { length }) => sum + length, ARRAY_HEAD_BYTES));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, GGUF_TYPES.indexOf(type), true);
  view.setBigUint64(TYPE_BYTES, BigInt(elements.length), true);
  let at = ARRAY_HEAD_BYTES;
  for (const element of elements) {
    bytes.set(element, at);
    at += element.length;
  }
  return bytes;
}

function encodeElement(type: GgufElementType, value: GgufElement): Uint8Array {
  if (type !== 'string') return encodeScalar(type, value);
  const text = encodeUtf8(String(value));
  const bytes = new Uint8Array(LENGTH_BYTES + text.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, LENGTH_BYTES);
  return bytes;
}

function encodeScalar(type: GgufScalarType, value: GgufElement): Uint8Array {
  const bytes = new Uint8Array(SCALAR_BYTES[type]);
  const view = new DataView(bytes.buffer);
  if (type === 'f32') view.setFloat32(0, Number(value), true);
  else if (type === 'f64') view.setFloat64(0, Number(value), true);
  else if (bytes.length === 8) view.setBigUint64(0, BigInt.asUintN(64, BigInt(value)), true);
  else for (let at = 0; at < bytes.length; ++at) bytes[at] = Number(value) >> (8 * at);
  return bytes;
}
