/** The schema of an Arrow file: its columns and their types (Schema.fbs). */

import type { QuantizeError } from '../../errors.js';
import { quoted } from '../invalid-file.js';
import type { Fault, FlatTable } from './flat-table.js';
import type { TextOf } from './utf8-text.js';

/** Far more than tables of weights have; tables of a hostile schema may refer to each other over and over. */
const MAX_FIELDS = 10_000;
const MAX_DEPTH = 64;
/** As many as a GGUF may have. */
const MAX_TEXTS = 2 ** 19;

/** Bytes of an offset; `view` where there are none, but a view for each value. */
export type OffsetBytes = 4 | 8 | 'view';

/** What a column consists of, as far as we read it. */
export type ArrowType =
  | { readonly kind: 'integer'; readonly bits: number; readonly signed: boolean }
  | { readonly kind: 'float'; readonly bits: number }
  | { readonly kind: 'bool' }
  | { readonly kind: 'utf8' | 'binary'; readonly offsets: OffsetBytes }
  | { readonly kind: 'list'; readonly offsets: 4 | 8 }
  | { readonly kind: 'fixed-list'; readonly size: number }
  /** Of which only the number of its own buffers is known, so that the columns behind it are found. */
  | { readonly kind: 'other'; readonly name: string; readonly buffers: number };

export interface ArrowField {
  readonly name: string;
  readonly type: ArrowType;
  readonly children: readonly ArrowField[];
  /** Where its values are numbers of those of a dictionary. */
  readonly dictionary: { readonly id: number; readonly index: ArrowType } | null;
}

export interface ArrowSchema {
  readonly fields: readonly ArrowField[];
  readonly texts: ReadonlyMap<string, string>;
}

/** By number, types that we do not read: how they are called, and how many buffers of their own they have. */
const OTHERS: Readonly<Record<number, readonly [name: string, buffers: number]>> = {
  1: ['null', 0],
  7: ['decimal', 2],
  8: ['date', 2],
  9: ['time', 2],
  10: ['timestamp', 2],
  11: ['interval', 2],
  13: ['struct', 1],
  15: ['fixed_size_binary', 2],
  17: ['map', 2],
  18: ['duration', 2],
  22: ['run_end_encoded', 0],
  25: ['list_view', 3],
  26: ['large_list_view', 3],
};
const UNION = 14;

/** Precisions of floats, by number. */
const FLOAT_BITS: readonly (number | undefined)[] = [16, 32, 64];

const LIST_OFFSETS: Readonly<Record<number, 4 | 8>> = { 12: 4, 21: 8 };
const TEXTS: Readonly<Record<number, { readonly kind: 'utf8' | 'binary'; readonly offsets: OffsetBytes }>> = {
  4: { kind: 'binary', offsets: 4 },
  5: { kind: 'utf8', offsets: 4 },
  19: { kind: 'binary', offsets: 8 },
  20: { kind: 'utf8', offsets: 8 },
  23: { kind: 'binary', offsets: 'view' },
  24: { kind: 'utf8', offsets: 'view' },
};

/** Throws what `fault` makes for a schema that is damaged, or of numbers whose highest byte comes first. */
export function readSchema(schema: FlatTable, textOf: TextOf, fault: Fault): ArrowSchema {
  if (schema.i16(0) !== 0) {
    throw fault('its numbers are big-endian; write it on a little-endian machine');
  }
  let left = MAX_FIELDS;
  const tooMany = (): QuantizeError => fault(`it has more than ${MAX_FIELDS} columns`);
  const read = (field: FlatTable, depth: number): ArrowField => {
    if (--left < 0) throw tooMany();
    if (depth > MAX_DEPTH) throw fault(`its columns nest deeper than ${MAX_DEPTH} levels`);
    const children = field.tables(5, left, tooMany).map((child) => read(child, depth + 1));
    const name = field.text(0, textOf);
    const type = typeOf(field, name, fault);
    const expected = childrenOf(type);
    if (expected !== null && children.length !== expected) throw fault(`its column ${quoted(name)} is damaged`);
    return { name, type, children, dictionary: dictionaryOf(field) };
  };
  const fields = schema.tables(1, left, tooMany).map((field) => read(field, 0));
  const pairs = schema.tables(2, MAX_TEXTS, () => fault(`its metadata has more than ${MAX_TEXTS} texts`));
  return { fields, texts: new Map(pairs.map((pair) => [pair.text(0, textOf), pair.text(1, textOf)])) };
}

/** How many columns the values of a column consist of; null where we do not read them. */
function childrenOf({ kind }: ArrowType): number | null {
  if (kind === 'other') return null;
  return kind === 'list' || kind === 'fixed-list' ? 1 : 0;
}

function dictionaryOf(field: FlatTable): ArrowField['dictionary'] {
  const dictionary = field.table(4);
  if (dictionary === null) return null;
  const index = dictionary.table(1);
  return { id: dictionary.size(0), index: index === null ? INT32 : integerOf(index) };
}

const INT32: ArrowType = { kind: 'integer', bits: 32, signed: true };

const integerOf = (type: FlatTable): ArrowType => ({ kind: 'integer', bits: type.i32(0), signed: type.u8(1) !== 0 });

function typeOf(field: FlatTable, name: string, fault: Fault): ArrowType {
  const number = field.u8(2);
  const type = field.table(3);
  if (type === null) throw fault(`its column ${quoted(name)} has no type`);
  if (number === 2) return integerOf(type);
  if (number === 3) return { kind: 'float', bits: FLOAT_BITS[type.i16(0)] ?? 0 };
  if (number === 6) return { kind: 'bool' };
  if (number === 16) return fixedList(type.i32(0), name, fault);
  // Dense ones have places besides numbers of types.
  if (number === UNION) return { kind: 'other', name: 'union', buffers: type.i16(0) === 1 ? 2 : 1 };
  const text = TEXTS[number];
  if (text !== undefined) return text;
  const offsets = LIST_OFFSETS[number];
  if (offsets !== undefined) return { kind: 'list', offsets };
  const other = OTHERS[number];
  if (other === undefined) throw fault(`its column ${quoted(name)} has the unknown type ${number}`);
  return { kind: 'other', name: other[0], buffers: other[1] };
}

function fixedList(size: number, name: string, fault: Fault): ArrowType {
  if (size < 0) throw fault(`its column ${quoted(name)} has lists of ${size} values`);
  return { kind: 'fixed-list', size };
}

/** How Arrow calls the type of a column: `list<float32>`. */
export function typeName({ type, children, dictionary }: ArrowField): string {
  const values = plainName(type, children);
  return dictionary === null ? values : `dictionary<${values}>`;
}

function plainName(type: ArrowType, children: readonly ArrowField[]): string {
  const [child] = children;
  const item = child === undefined ? '' : `<${typeName(child)}>`;
  switch (type.kind) {
    case 'integer':
      return `${type.signed ? '' : 'u'}int${type.bits}`;
    case 'float':
      return `float${type.bits}`;
    case 'bool':
      return 'bool';
    case 'utf8':
    case 'binary':
      return type.offsets === 'view' ? `${type.kind}_view` : `${type.offsets === 8 ? 'large_' : ''}${type.kind}`;
    case 'list':
      return `${type.offsets === 8 ? 'large_' : ''}list${item}`;
    case 'fixed-list':
      return `fixed_size_list${item}`;
    case 'other':
      return type.name;
  }
}
