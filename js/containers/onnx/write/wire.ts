/** Messages as bytes, with room for what is not in memory. */

import { joinBytes } from '../../../io/join-bytes.js';
import { utf8Bytes, encodeUtf8 } from '../../utf8.js';
import type { Field, OnnxTensor } from '../graph.js';
import { SCHEMAS, type MessageName } from '../schema.js';

/** Bytes that others will put in their place: the elements of a tensor. */
export interface Hole {
  readonly tensor: OnnxTensor;
  readonly bytes: number;
}

/** Part of a message: bytes, or room for some. */
export type Part = Uint8Array | Hole;

/** An encoded message. */
export interface Encoded {
  readonly bytes: number;
  readonly parts: readonly Part[];
}

/** A field to be written, with its tag. */
export interface WrittenField extends Encoded {
  readonly number: number;
}

const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** Signed numbers are written as 64 bits of two's complement. */
export function varintBytes(value: bigint | number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

const tagBytes = (number: number, wire: number): Uint8Array => varintBytes(number * 8 + wire);

const fieldOf = (number: number, wire: number, parts: readonly Part[]): WrittenField => {
  const all = [tagBytes(number, wire), ...parts];
  return { number, parts: all, bytes: all.reduce((sum, part) => sum + bytesOf(part), 0) };
};

/** Bytes of a part. */
export const bytesOf = (part: Part): number => (part instanceof Uint8Array ? part.length : part.bytes);

export const varintField = (number: number, value: bigint | number): WrittenField =>
  fieldOf(number, WIRE.varint, [varintBytes(value)]);

/** Nothing where there is no value. */
export const optionalVarint = (number: number, value: bigint | number | undefined): readonly WrittenField[] =>
  value === undefined ? [] : [varintField(number, value)];

export const textField = (number: number, text: string): WrittenField =>
  fieldOf(number, WIRE.bytes, [varintBytes(utf8Bytes(text)), encodeUtf8(text)]);

/** Nothing where there is no text. */
export const optionalText = (number: number, text: string | undefined): readonly WrittenField[] =>
  text === undefined ? [] : [textField(number, text)];

export const messageField = (number: number, { bytes, parts }: Encoded): WrittenField =>
  fieldOf(number, WIRE.bytes, [varintBytes(bytes), ...parts]);

/** A field of bytes that may be a hole. */
export const partField = (number: number, part: Part): WrittenField =>
  fieldOf(number, WIRE.bytes, [varintBytes(bytesOf(part)), part]);

/** A field as it was read. */
export function carriedField({ number, value }: Field): WrittenField {
  if (value.kind === 'varint') return varintField(number, value.value);
  return value.kind === 'bytes' ? partField(number, value.bytes) : fieldOf(number, WIRE[value.kind], [value.bytes]);
}

/** The fields in the order of their numbers, those that onnx.proto does not know behind all others. */
export function encoded(name: MessageName, fields: readonly WrittenField[]): Encoded {
  const { highest, unknown } = SCHEMAS[name];
  const rank = (number: number): number => (number > highest || unknown.includes(number) ? Infinity : number);
  const sorted = [...fields].sort((a, b) => compare(rank(a.number), rank(b.number)));
  const parts = withoutSeams(sorted.flatMap((field) => field.parts));
  return { parts, bytes: sorted.reduce((sum, { bytes }) => sum + bytes, 0) };
}

const compare = (a: number, b: number): number => (a === b ? 0 : a - b);

/** Bytes that follow each other as one part: messages around this one carry few parts, however many fields it has. */
function withoutSeams(parts: readonly Part[]): readonly Part[] {
  const merged: Part[] = [];
  let open: Uint8Array[] = [];
  const close = (): void => {
    if (open.length > 0) merged.push(joinBytes(open));
    open = [];
  };
  for (const part of parts) {
    if (part instanceof Uint8Array) open.push(part);
    else {
      close();
      merged.push(part);
    }
  }
  close();
  return merged;
}
