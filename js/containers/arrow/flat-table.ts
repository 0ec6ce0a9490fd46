/** FlatBuffers, in which Arrow's metadata is written: read where they lie, every offset checked before it is followed. */

import type { QuantizeError } from '../../errors.js';
import type { TextOf } from './utf8-text.js';

/** Makes the error of a file whose metadata is damaged; `detail` says what is wrong with it. */
export type Fault = (detail: string) => QuantizeError;

/** A vector of structs, which have the same bytes each. */
export interface Structs {
  readonly count: number;
  readonly view: DataView;
}

const DAMAGED = 'its metadata is damaged';

/** A table of a FlatBuffer. Fields are asked for by their numbers in the schema; one that is not there has its default. */
export class FlatTable {
  readonly #view: DataView;
  readonly #at: number;
  readonly #fault: Fault;
  /** Where the list of the fields' places lies, and its bytes. */
  readonly #fields: number;
  readonly #fieldsBytes: number;

  private constructor(view: DataView, at: number, fault: Fault) {
    this.#view = view;
    this.#at = at;
    this.#fault = fault;
    this.#check(at, 4);
    this.#fields = at - view.getInt32(at, true);
    this.#check(this.#fields, 4);
    this.#fieldsBytes = view.getUint16(this.#fields, true);
    this.#check(this.#fields, this.#fieldsBytes);
  }

  /** The outermost table of a buffer. */
  static root({ buffer, byteOffset, length }: Uint8Array, fault: Fault): FlatTable {
    if (length < 4) throw fault(DAMAGED);
    const view = new DataView(buffer, byteOffset, length);
    return new FlatTable(view, view.getUint32(0, true), fault);
  }

  u8(field: number): number {
    const at = this.#place(field, 1);
    return at === null ? 0 : this.#view.getUint8(at);
  }

  i16(field: number): number {
    const at = this.#place(field, 2);
    return at === null ? 0 : this.#view.getInt16(at, true);
  }

  i32(field: number): number {
    const at = this.#place(field, 4);
    return at === null ? 0 : this.#view.getInt32(at, true);
  }

  /** A number that is not negative, and that JavaScript has exactly. */
  size(field: number): number {
    const at = this.#place(field, 8);
    return at === null ? 0 : sizeAt(this.#view, at, this.#fault);
  }

  /** Whether a field is there. */
  has(field: number): boolean {
    return this.#place(field, 0) !== null;
  }

  text(field: number, textOf: TextOf): string {
    const vector = this.#vector(field, 1);
    if (vector === null) return '';
    const bytes = new Uint8Array(this.#view.buffer, this.#view.byteOffset + vector.at, vector.count);
    return textOf(bytes, () => this.#fault('a text in its metadata is not valid UTF-8'));
  }

  table(field: number): FlatTable | null {
    const at = this.#place(field, 4);
    return at === null ? null : this.#follow(at);
  }

  /** A vector of tables. Throws what `tooMany` makes for more than `most`, however few bytes they take. */
  tables(field: number, most: number, tooMany: () => QuantizeError): readonly FlatTable[] {
    const { at = 0, count = 0 } = this.#vector(field, 4) ?? {};
    if (count > most) throw tooMany();
    return Array.from({ length: count }, (_, index) => this.#follow(at + index * 4));
  }

  /** A vector of structs of `bytes` bytes each; empty where it is not there. */
  structs(field: number, bytes: number): Structs {
    const { at = 0, count = 0 } = this.#vector(field, bytes) ?? {};
    return { count, view: new DataView(this.#view.buffer, this.#view.byteOffset + at, count * bytes) };
  }

  #vector(field: number, elementBytes: number): { readonly at: number; readonly count: number } | null {
    const slot = this.#place(field, 4);
    if (slot === null) return null;
    const at = slot + this.#view.getUint32(slot, true);
    this.#check(at, 4);
    const count = this.#view.getUint32(at, true);
    this.#check(at + 4, count * elementBytes);
    return { at: at + 4, count };
  }

  #follow(slot: number): FlatTable {
    return new FlatTable(this.#view, slot + this.#view.getUint32(slot, true), this.#fault);
  }

  /** Where a field of `bytes` bytes lies; null where it is not there. */
  #place(field: number, bytes: number): number | null {
    const entry = 4 + field * 2;
    if (entry + 2 > this.#fieldsBytes) return null;
    const offset = this.#view.getUint16(this.#fields + entry, true);
    if (offset === 0) return null;
    this.#check(this.#at + offset, bytes);
    return this.#at + offset;
  }

  #check(at: number, bytes: number): void {
    if (at < 0 || at + bytes > this.#view.byteLength) throw this.#fault(DAMAGED);
  }
}

/** A number of 64 bits that is not negative, and that JavaScript has exactly. */
export function sizeAt(view: DataView, at: number, fault: Fault): number {
  const value = view.getBigInt64(at, true);
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw fault(`its metadata has the impossible number ${value}`);
  }
  return Number(value);
}
