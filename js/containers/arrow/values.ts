/** The small buffers of columns: which rows are null, texts, numbers, and where lists and binaries begin and end. */

import type { ByteRange } from '../../io/byte-io.js';
import { quoted } from '../invalid-file.js';
import type { Column } from './batch.js';
import { sizeAt, type Fault } from './flat-table.js';
import type { ArrowType } from './schema.js';
import type { TextOf } from './utf8-text.js';

/** Gives bytes that have been read. */
export type Bytes = (range: ByteRange) => DataView;

/** Whether the value of a row is there. */
export type Validity = (row: number) => boolean;

const VIEW_BYTES = 16;
/** Values of at most this many bytes lie in their views. */
const INLINE_BYTES = 12;

/** The values of a dictionary, by its number; a null is undefined. */
export type Dictionaries = ReadonlyMap<number, readonly (string | undefined)[]>;

const bitAt = (bits: DataView, index: number): boolean => ((bits.getUint8(index >> 3) >> (index & 7)) & 1) === 1;

const damaged = ({ field }: Column, fault: Fault): ReturnType<Fault> =>
  fault(`its column ${quoted(field.name)} is damaged`);

/** The first `bytes` bytes of a buffer. */
function firstOf(range: ByteRange | undefined, bytes: number, column: Column, fault: Fault): ByteRange {
  if (range === undefined || range.bytes < bytes) throw damaged(column, fault);
  return { ...range, bytes };
}

const NOTHING: readonly ByteRange[] = [];

/** What `validityOf` needs. */
export const validityRanges = (column: Column, fault: Fault): readonly ByteRange[] =>
  column.nulls === 0 ? NOTHING : [firstOf(column.validity, Math.ceil(column.length / 8), column, fault)];

/** Which rows of a column are there. */
export function validityOf(column: Column, bytes: Bytes, fault: Fault): Validity {
  const [range] = validityRanges(column, fault);
  if (range === undefined) return () => true;
  const bits = bytes(range);
  return (row) => bitAt(bits, row);
}

/** What `stretchesOf` needs. */
export function stretchRanges(column: Column, fault: Fault): readonly ByteRange[] {
  const { type } = column.field;
  if (type.kind === 'fixed-list') return validityRanges(column, fault);
  const offsets = offsetsOf(type);
  // Without rows there may be no offset at all.
  const needed =
    column.length === 0 ? 0 : offsets === 'view' ? column.length * VIEW_BYTES : (column.length + 1) * offsets;
  return [...validityRanges(column, fault), firstOf(column.buffers[0], needed, column, fault)];
}

const offsetsOf = (type: ArrowType): 4 | 8 | 'view' =>
  type.kind === 'list' || type.kind === 'utf8' || type.kind === 'binary' ? type.offsets : 4;

/** Where the value of a row lies: so many elements of a column of values, or bytes of a buffer. */
export interface Stretch {
  readonly begin: number;
  readonly count: number;
  /** Number of the buffer; 1 but for views. */
  readonly buffer: number;
}

/**
 * Where the lists, texts or binaries of a column begin and end, by row. Every stretch lies where there is something, and but
 * for views behind those of the rows before.
 */
export function stretchesOf(column: Column, bytes: Bytes, fault: Fault): (row: number) => Stretch {
  const { field, length, children } = column;
  const { type } = field;
  const available = children[0]?.length ?? column.buffers[1]?.bytes ?? 0;
  if (type.kind === 'fixed-list') {
    const { size } = type;
    if (length * size > available) throw damaged(column, fault);
    return (row) => ({ begin: row * size, count: size, buffer: 1 });
  }
  const view = bytes(stretchRanges(column, fault).at(-1) ?? column.validity);
  const offsets = offsetsOf(type);
  if (offsets === 'view') return (row) => viewAt(column, view, row, fault);
  const offset = (row: number): number => (offsets === 4 ? view.getInt32(row * 4, true) : sizeAt(view, row * 8, fault));
  // Those of nulls, too: over lists that overlap, a small file would have more values than can be looked at.
  let reached = 0;
  for (let row = 0; length > 0 && row <= length; ++row) {
    const next = offset(row);
    if (next < reached || next > available) throw damaged(column, fault);
    reached = next;
  }
  return (row) => ({ begin: offset(row), count: offset(row + 1) - offset(row), buffer: 1 });
}

/** Of a short value, which lies in its view, the buffer is the first. */
function viewAt(column: Column, views: DataView, row: number, fault: Fault): Stretch {
  const at = row * VIEW_BYTES;
  const count = views.getInt32(at, true);
  if (count < 0) throw damaged(column, fault);
  if (count <= INLINE_BYTES) return { begin: at + 4, count, buffer: 0 };
  const buffer = views.getInt32(at + 8, true) + 1;
  const begin = views.getInt32(at + 12, true);
  const range = buffer < 1 ? undefined : column.buffers[buffer];
  if (range === undefined || begin < 0 || begin + count > range.bytes) throw damaged(column, fault);
  return { begin, count, buffer };
}

/** Gives the text of a row; undefined where it is null. */
export type Texts = (row: number) => string | undefined;

/** Whether a column has texts. */
export const hasTexts = ({ field }: Pick<Column, 'field'>): boolean => field.type.kind === 'utf8';

/** What `textsOf` needs. */
export function textRanges(column: Column, fault: Fault): readonly ByteRange[] {
  const { dictionary } = column.field;
  if (dictionary !== null) return integerRanges(column, dictionary.index, fault);
  return [...stretchRanges(column, fault), ...column.buffers.slice(1)];
}

/** What texts are read with. */
export interface TextReading {
  readonly bytes: Bytes;
  readonly dictionaries: Dictionaries;
  readonly textOf: TextOf;
  readonly fault: Fault;
}

/** The texts of a column, or those of a dictionary that its numbers stand for. */
export function textsOf(column: Column, { bytes, dictionaries, textOf, fault }: TextReading): Texts {
  const isThere = validityOf(column, bytes, fault);
  const { dictionary } = column.field;
  if (dictionary !== null) {
    const indices = integersOf(column, dictionary.index, bytes, fault);
    const values = dictionaries.get(dictionary.id);
    if (values === undefined) throw fault(`the dictionary of its column ${quoted(column.field.name)} is missing`);
    return (row) => {
      if (!isThere(row)) return undefined;
      const index = indices(row);
      if (!(index >= 0 && index < values.length)) throw damaged(column, fault);
      return values[index];
    };
  }
  const stretches = stretchesOf(column, bytes, fault);
  return (row) => {
    if (!isThere(row)) return undefined;
    const { begin, count, buffer } = stretches(row);
    const range = column.buffers[buffer];
    if (range === undefined) throw damaged(column, fault);
    const read = bytes(buffer === 0 ? firstOf(range, column.length * VIEW_BYTES, column, fault) : range);
    return textOf(new Uint8Array(read.buffer, read.byteOffset + begin, count), () =>
      fault(`column ${quoted(column.field.name)}, row ${row} of a batch: it is not valid UTF-8`),
    );
  };
}

/** Gives the whole number of a row, to the nearest that JavaScript has. */
export type Integers = (row: number) => number;

/** What `integersOf` needs. */
export function integerRanges(column: Column, type: ArrowType, fault: Fault): readonly ByteRange[] {
  const bits = type.kind === 'integer' ? type.bits : 0;
  if (![8, 16, 32, 64].includes(bits)) throw damaged(column, fault);
  return [...validityRanges(column, fault), firstOf(column.buffers[0], (column.length * bits) / 8, column, fault)];
}

/** The whole numbers of a column of `type`. */
export function integersOf(column: Column, type: ArrowType, bytes: Bytes, fault: Fault): Integers {
  const view = bytes(integerRanges(column, type, fault).at(-1) ?? column.validity);
  const read = type.kind === 'integer' ? readers(view)[`${type.signed ? 'i' : 'u'}${type.bits}`] : undefined;
  if (read === undefined) throw damaged(column, fault);
  return read;
}

const readers = (view: DataView): Readonly<Record<string, Integers>> => ({
  i8: (row) => view.getInt8(row),
  u8: (row) => view.getUint8(row),
  i16: (row) => view.getInt16(row * 2, true),
  u16: (row) => view.getUint16(row * 2, true),
  i32: (row) => view.getInt32(row * 4, true),
  u32: (row) => view.getUint32(row * 4, true),
  i64: (row) => Number(view.getBigInt64(row * 8, true)),
  u64: (row) => Number(view.getBigUint64(row * 8, true)),
});

/** What `flagsOf` needs. */
export const flagRanges = (column: Column, fault: Fault): readonly ByteRange[] => [
  ...validityRanges(column, fault),
  firstOf(column.buffers[0], Math.ceil(column.length / 8), column, fault),
];

/** The values of a column of true and false. */
export function flagsOf(column: Column, bytes: Bytes, fault: Fault): Validity {
  const bits = bytes(flagRanges(column, fault).at(-1) ?? column.validity);
  return (row) => bitAt(bits, row);
}
