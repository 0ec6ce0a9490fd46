/**
 * Columns of Arrow tables, of whatever library: told by what they have, and read where they lie. The names are those of
 * apache-arrow, or else those of Flechette.
 */

import { fieldsOf, isDetached } from '../checks.js';
import { QuantizeError, quoted, type QuantizeErrorCode } from '../errors.js';

type Fields = Readonly<Record<string, unknown>>;

/** Where a value is in the table, for errors. Rows count from 0. */
export interface Place {
  readonly column: string;
  readonly row: number;
  /** The row's layer, where it is known. */
  readonly layer?: string;
}

/** A typed array, by what is needed of it. */
export interface Elements extends ArrayBufferView {
  readonly length: number;
  readonly [Symbol.toStringTag]: string;
  subarray(begin: number, end: number): Elements;
}

/** The elements of a list, with what Arrow calls their type. */
export interface ListValue {
  readonly elements: Elements;
  readonly type: Fields;
}

/** An error about a value of a table. */
export function errorAt(
  { column, row, layer }: Place,
  detail: string,
  code: QuantizeErrorCode = 'invalid_weights',
): QuantizeError {
  const where = `column ${quoted(column)}, row ${String(row)}`;
  return new QuantizeError(code, { ...(layer !== undefined && { layer }), detail: `${where}: ${detail}` });
}

/** The column of that name; undefined if there is none. */
export function columnNamed(table: Fields, name: string): Fields | undefined {
  const fields = fieldsOf(table['schema'])['fields'];
  const found = Array.isArray(fields) ? fields.filter((field) => fieldsOf(field)['name'] === name) : [];
  if (found.length > 1) {
    throw new QuantizeError('invalid_weights', { detail: `the table has more than one column ${quoted(name)}` });
  }
  if (found.length === 0) return undefined;
  return fieldsOf(called(table, 'getChild', name));
}

/** What a method of a caller's object gives. */
function called(object: Fields, method: string, ...parameters: readonly unknown[]): unknown {
  const own = object[method];
  if (typeof own === 'function') return Reflect.apply(own, object, parameters) as unknown;
  throw new QuantizeError('invalid_weights', { detail: `the table's columns cannot be read: there is no ${method}` });
}

/** The value of a column that is no list. */
export const valueAt = (column: Fields, row: number): unknown =>
  called(column, typeof column['get'] === 'function' ? 'get' : 'at', row);

/** A row of a column, in the chunk that it lies in. */
export interface Cell {
  readonly chunk: Fields;
  readonly at: number;
}

/** The pieces of a column that lie in one record batch each. */
const chunksOf = ({ data }: Fields): readonly Fields[] => (Array.isArray(data) ? data.map(fieldsOf) : []);

/** Throws `detached_buffer` where the memory of a column has been transferred away: the library would read nonsense. */
export function checkAttached(column: Fields): void {
  const parts = chunksOf(column).flatMap((chunk) => {
    const children: readonly unknown[] = Array.isArray(chunk['children']) ? chunk['children'] : [];
    return [chunk, ...children.map(fieldsOf)];
  });
  const arrays = parts.flatMap(({ values, valueOffsets, offsets }) => [values, valueOffsets, offsets]);
  const isGone = arrays.some((array) => ArrayBuffer.isView(array) && isDetached(array));
  if (isGone) throw new QuantizeError('detached_buffer');
}

/** The rows of a column of lists. */
export function cellsOf(column: Fields): readonly Cell[] {
  return chunksOf(column).flatMap((chunk) => {
    const length = Number(chunk['length']);
    return Array.from({ length }, (_, at) => ({ chunk, at }));
  });
}

/** How texts of errors name a type. */
export function typeName(type: unknown): string {
  const text = String(type);
  return text.startsWith('[object') ? `a type ${JSON.stringify(type)}` : text;
}

/**
 * The elements of one list, in the memory of its column. Throws, with the place, for a null, also inside of the list, for what
 * is no list of numbers, and for offsets that lead out of the column. `needed` says what the column should hold.
 */
export function listAt({ chunk, at }: Cell, place: Place, needed: string): ListValue {
  if (!isValid(chunk, at)) throw errorAt(place, `null, must be ${needed}`);
  const [child] = (chunk['children'] as readonly unknown[] | undefined) ?? [];
  const { values, type } = fieldsOf(child);
  const span = spanAt(chunk, at, place);
  if (span === undefined || !isElements(values)) throw errorAt(place, `${typeName(chunk['type'])}, must be ${needed}`);
  const { begin, end } = span;
  if (end > values.length) {
    throw errorAt(place, `elements ${String(begin)} to ${String(end)} of ${String(values.length)}`);
  }
  const missing = firstNull(fieldsOf(child), begin, end);
  if (missing !== undefined) throw errorAt(place, `element ${String(missing - begin)} is null`);
  return { elements: values.subarray(begin, end), type: fieldsOf(type) };
}

const isElements = (values: unknown): values is Elements => ArrayBuffer.isView(values) && 'subarray' in values;

/** Whether a value is there. Columns without nulls need not have the bits. */
function isValid(chunk: Fields, at: number): boolean {
  if (chunk['nullCount'] === 0) return true;
  return called(chunk, typeof chunk['getValid'] === 'function' ? 'getValid' : 'isValid', at) !== false;
}

function firstNull(chunk: Fields, begin: number, end: number): number | undefined {
  if (chunk['nullCount'] === 0) return undefined;
  for (let at = begin; at < end; ++at) if (!isValid(chunk, at)) return at;
  return undefined;
}

interface Span {
  readonly begin: number;
  readonly end: number;
}

/** Where the elements of a list lie among those of its column; undefined if it is no list. */
function spanAt(chunk: Fields, at: number, place: Place): Span | undefined {
  const type = fieldsOf(chunk['type']);
  const size = type['listSize'] ?? type['stride'];
  if (typeof size === 'number') return { begin: at * size, end: (at + 1) * size };
  const offsets = chunk['valueOffsets'] ?? chunk['offsets'];
  // Views of lists have sizes besides, and may lie in any order.
  if (!isElements(offsets) || chunk['sizes'] !== undefined) return undefined;
  const [begin, end] = [offsetAt(offsets, at), offsetAt(offsets, at + 1)];
  if (begin <= end) return { begin, end };
  throw errorAt(place, 'its offsets are no whole numbers that grow, below 2^53');
}

/** An offset of 32 or 64 bits; NaN for one that is none, or that numbers cannot hold. */
function offsetAt(offsets: Elements, at: number): number {
  const value = Number((offsets as unknown as ArrayLike<number | bigint | undefined>)[at] ?? NaN);
  return Number.isSafeInteger(value) && value >= 0 ? value : NaN;
}
