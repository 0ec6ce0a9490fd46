/** Writes FlatBuffers, in which Arrow's metadata is written. */

import { encodeUtf8 } from '../utf8.js';

/** A field of a table; `null` leaves it out, so that it has its default. */
export type FlatField =
  | null
  | { readonly kind: 'u8' | 'i16' | 'i32' | 'i64'; readonly value: number }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'table'; readonly value: FlatFields }
  | { readonly kind: 'tables'; readonly value: readonly FlatFields[] }
  /** Structs of numbers of 64 bits, `count` of them. */
  | { readonly kind: 'structs'; readonly count: number; readonly value: readonly number[] };

/** The fields of a table by their numbers in the schema. */
export type FlatFields = readonly FlatField[];

export const u8 = (value: number): FlatField => ({ kind: 'u8', value });
export const i16 = (value: number): FlatField => ({ kind: 'i16', value });
export const i32 = (value: number): FlatField => ({ kind: 'i32', value });
export const i64 = (value: number): FlatField => ({ kind: 'i64', value });
export const text = (value: string): FlatField => ({ kind: 'text', value });
export const table = (value: FlatFields): FlatField => ({ kind: 'table', value });
export const tables = (value: readonly FlatFields[]): FlatField => ({ kind: 'tables', value });

const BYTES = { u8: 1, i16: 2, i32: 4, i64: 8, text: 4, table: 4, tables: 4, structs: 4 } as const;

const FIRST_BYTES = 1024;

/** A buffer whose outermost table has those fields; its length is a multiple of 8. */
export function flatBuffer(root: FlatFields): Uint8Array {
  const writer = new FlatWriter();
  writer.root(root);
  return writer.finish();
}

/** Puts what a table refers to behind it, so that every offset is known when it is written. */
class FlatWriter {
  #bytes = new Uint8Array(FIRST_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  root(fields: FlatFields): void {
    const slot = this.#take(4, 4);
    this.#refer(slot, this.#table(fields));
  }

  finish(): Uint8Array {
    this.#take(0, 8);
    return this.#bytes.slice(0, this.#length);
  }

  /** Writes a table and all that it refers to; gives where it lies. */
  #table(fields: FlatFields): number {
    const places = this.#place(fields);
    const count = fields.length;
    // In front of the table, the places of its fields.
    const list = this.#take(4 + count * 2, 2);
    const at = this.#take(places.bytes, 8);
    this.#view.setUint16(list, 4 + count * 2, true);
    this.#view.setUint16(list + 2, places.bytes, true);
    this.#view.setInt32(at, at - list, true);
    for (const [index, field] of fields.entries()) {
      const offset = places.offsets[index] ?? 0;
      if (field === null) continue;
      this.#view.setUint16(list + 4 + index * 2, offset, true);
      this.#value(field, at + offset);
    }
    return at;
  }

  /** Where in a table its fields lie, the widest first, so that each is aligned without gaps. */
  #place(fields: FlatFields): { readonly offsets: readonly number[]; readonly bytes: number } {
    const offsets = fields.map(() => 0);
    let end = 4;
    const widths = [4, 8, 2, 1];
    for (const width of widths) {
      for (const [index, field] of fields.entries()) {
        if (field === null || BYTES[field.kind] !== width) continue;
        end = Math.ceil(end / width) * width;
        offsets[index] = end;
        end += width;
      }
    }
    return { offsets, bytes: end };
  }

  #value(field: NonNullable<FlatField>, at: number): void {
    switch (field.kind) {
      case 'u8':
        this.#view.setUint8(at, field.value);
        return;
      case 'i16':
        this.#view.setInt16(at, field.value, true);
        return;
      case 'i32':
        this.#view.setInt32(at, field.value, true);
        return;
      case 'i64':
        this.#i64(at, field.value);
        return;
      case 'text':
        this.#refer(at, this.#text(field.value));
        return;
      case 'table':
        this.#refer(at, this.#table(field.value));
        return;
      case 'tables':
        this.#refer(at, this.#tables(field.value));
        return;
      case 'structs':
        this.#refer(at, this.#structs(field.count, field.value));
    }
  }

  #text(value: string): number {
    const bytes = encodeUtf8(value);
    // With a zero behind it.
    const at = this.#take(4 + bytes.length + 1, 4);
    this.#view.setUint32(at, bytes.length, true);
    this.#bytes.set(bytes, at + 4);
    return at;
  }

  #tables(values: readonly FlatFields[]): number {
    const at = this.#take(4 + values.length * 4, 4);
    this.#view.setUint32(at, values.length, true);
    values.forEach((value, index) => {
      this.#refer(at + 4 + index * 4, this.#table(value));
    });
    return at;
  }

  #structs(count: number, numbers: readonly number[]): number {
    // The structs, not their number, are aligned.
    this.#take(0, 8);
    this.#take(4, 4);
    const at = this.#take(4 + numbers.length * 8, 4);
    this.#view.setUint32(at, count, true);
    numbers.forEach((value, index) => {
      this.#i64(at + 4 + index * 8, value);
    });
    return at;
  }

  #i64(at: number, value: number): void {
    this.#view.setBigInt64(at, BigInt(value), true);
  }

  #refer(slot: number, target: number): void {
    this.#view.setUint32(slot, target - slot, true);
  }

  #take(bytes: number, alignment: number): number {
    const at = Math.ceil(this.#length / alignment) * alignment;
    this.#length = at + bytes;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}
