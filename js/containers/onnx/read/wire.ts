/** Protocol buffers as fields, without what they mean. The elements of tensors are left where they are. */

import type { ByteRange, ByteSource } from '../../../io/byte-io.js';
import { invalidFile } from '../../invalid-file.js';
import { SCHEMAS, type MessageName, type Schema } from '../schema.js';

/** A message as it lies in a file: its fields in their order. */
export interface RawMessage {
  readonly fields: readonly RawField[];
}

export interface RawField {
  readonly number: number;
  readonly value: RawValue;
}

export type RawValue =
  | { readonly kind: 'varint'; readonly value: bigint }
  | { readonly kind: 'fixed32'; readonly bytes: Uint8Array }
  | { readonly kind: 'fixed64'; readonly bytes: Uint8Array }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'range'; readonly range: ByteRange }
  | { readonly kind: 'message'; readonly message: RawMessage };

/** What is read at a time. */
const CHUNK_BYTES = 2 ** 17;
/** Elements of fewer bytes are read with what lies around them. */
export const MOST_INLINE_BYTES = 2 ** 10;
/** As many messages in each other as Google's own readers take. */
const MOST_DEPTH = 100;
/** Far more than the largest models have, and little enough to be held. */
const MOST_FIELDS = 2 ** 22;
const MOST_HELD_BYTES = 2 ** 28;
const MOST_VARINT_BYTES = 10;

/** Reads `source` as a message. Rejects with `invalid_file`. */
export const readMessage = (source: ByteSource, name: MessageName): Promise<RawMessage> =>
  new WireReader(source).message(name, source.size, 1);

class WireReader {
  readonly #source: ByteSource;
  #chunk: Uint8Array = new Uint8Array();
  /** Where the chunk begins in the source, and where reading goes on. */
  #begin = 0;
  #position = 0;
  #fields = 0;
  #heldBytes = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  async message(name: MessageName, end: number, depth: number): Promise<RawMessage> {
    const schema = SCHEMAS[name];
    if (depth > MOST_DEPTH) throw this.#fault(`it has more than ${MOST_DEPTH} messages in each other`);
    const fields: RawField[] = [];
    while (this.#position < end) fields.push(await this.#field(schema, end, depth));
    return { fields };
  }

  async #field(schema: Schema, end: number, depth: number): Promise<RawField> {
    this.#count(1);
    const tag = Number(await this.#varint(schema, end));
    const number = Math.floor(tag / 8);
    if (number < 1 || number >= 2 ** 29) throw this.#fault(`${schema.title} has a field number ${number}`);
    switch (tag % 8) {
      case 0:
        return { number, value: { kind: 'varint', value: await this.#varint(schema, end) } };
      case 1:
        return { number, value: { kind: 'fixed64', bytes: await this.#bytes(schema, 8, end) } };
      case 2:
        return { number, value: await this.#sized(schema, number, end, depth) };
      case 5:
        return { number, value: { kind: 'fixed32', bytes: await this.#bytes(schema, 4, end) } };
      default:
        throw this.#fault(`${schema.title} has a field of wire type ${tag % 8}`);
    }
  }

  async #sized(schema: Schema, number: number, end: number, depth: number): Promise<RawValue> {
    const length = Number(await this.#varint(schema, end));
    const begin = this.#position;
    if (length > end - begin) throw this.#fault(`${schema.title} has a field that reaches beyond its end`);
    const name = schema.messages[number];
    if (name !== undefined) {
      return { kind: 'message', message: await this.message(name, begin + length, depth + 1) };
    }
    if (schema.data.includes(number) && length > MOST_INLINE_BYTES) {
      this.#position += length;
      return { kind: 'range', range: { source: this.#source, begin, bytes: length } };
    }
    const bytes = await this.#bytes(schema, length, end);
    if (schema.numbers?.includes(number) === true) this.#count(packedNumbers(bytes));
    return { kind: 'bytes', bytes };
  }

  async #varint(schema: Schema, end: number): Promise<bigint> {
    if (this.#left() < MOST_VARINT_BYTES) await this.#fill(Math.min(MOST_VARINT_BYTES, end - this.#position));
    let at = this.#position - this.#begin;
    let low = 0;
    let value = 0n;
    for (let shift = 0; shift < MOST_VARINT_BYTES * 7; shift += 7) {
      if (this.#begin + at >= end) break;
      const byte = this.#chunk[at++] ?? 0;
      // Numbers of up to 28 bits, which nearly all are, take no large integers.
      if (shift < 28) low += (byte & 0x7f) << shift;
      else value |= BigInt(byte & 0x7f) << BigInt(shift);
      if (byte < 0x80) {
        this.#position = this.#begin + at;
        return BigInt.asUintN(64, value | BigInt(low));
      }
    }
    throw this.#fault(`${schema.title} has a number that does not end`);
  }

  async #bytes(schema: Schema, count: number, end: number): Promise<Uint8Array> {
    if (count > end - this.#position) throw this.#fault(`${schema.title} has a field that reaches beyond its end`);
    this.#heldBytes += count;
    if (this.#heldBytes > MOST_HELD_BYTES)
      throw this.#fault(`it has more than ${MOST_HELD_BYTES} bytes besides the elements of tensors`);
    if (this.#left() < count) await this.#fill(count);
    const at = this.#position - this.#begin;
    this.#position += count;
    return this.#chunk.slice(at, at + count);
  }

  /** Counts what becomes values of their own, which take far more memory than they do in the file. */
  #count(values: number): void {
    this.#fields += values;
    if (this.#fields > MOST_FIELDS) throw this.#fault(`it has more than ${MOST_FIELDS} fields`);
  }

  #left(): number {
    return this.#begin + this.#chunk.length - this.#position;
  }

  /** Gets at least `count` bytes from the position on, which there must be. */
  async #fill(count: number): Promise<void> {
    if (this.#left() >= count) return;
    const bytes = Math.min(Math.max(count, CHUNK_BYTES), this.#source.size - this.#position);
    this.#chunk = await readOwn(this.#source, this.#position, bytes);
    this.#begin = this.#position;
  }

  #fault(detail: string): Error {
    return invalidFile(this.#source, `${detail}; it is damaged, or no ONNX model`);
  }
}

/** How many varints lie one after the other. */
const packedNumbers = (bytes: Uint8Array): number =>
  bytes.reduce((count, byte) => (byte < 0x80 ? count + 1 : count), 0);

async function readOwn(source: ByteSource, position: number, bytes: number): Promise<Uint8Array> {
  if (source.readAside !== undefined) return source.readAside(position, bytes);
  const own = new Uint8Array(bytes);
  await source.read(own, position);
  return own;
}
