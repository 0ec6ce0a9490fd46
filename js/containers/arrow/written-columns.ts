/** The columns of a table that is written, and what each row has in them. */

import { QuantizeError } from '../../errors.js';
import type { OutputContents, PlannedEntry, PlannedGroup, PlannedValue } from '../container.js';
import { knownBytes } from '../dtypes.js';
import { NAME, SHAPE, WEIGHTS, weightsColumn } from './element-types.js';

/** Offsets of four bytes reach no further. */
const MOST_SHORT = 2 ** 31 - 1;

/** A column of a table. */
export type WrittenColumn =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'shape'; readonly name: string }
  /** Lists of numbers, or binaries. `isLong`: some list has more values than offsets of 4 bytes can say. */
  | {
      readonly kind: 'array';
      readonly name: string;
      readonly element: string;
      readonly isPacked: boolean;
      readonly isLong: boolean;
    }
  | { readonly kind: 'value'; readonly name: string; readonly type: PlannedValue['type'] };

/** An entry in a row, and the how manieth of its group it is. */
export interface WrittenArray {
  readonly entry: PlannedEntry;
  readonly plane: number;
  /** Of the column's element type. */
  readonly elements: number;
}

export interface WrittenRow {
  readonly group: number;
  readonly name: string;
  readonly shape: readonly number[];
  /** By column. */
  readonly arrays: ReadonlyMap<string, WrittenArray>;
  readonly values: ReadonlyMap<string, PlannedValue>;
}

export interface WrittenTable {
  readonly columns: readonly WrittenColumn[];
  readonly rows: readonly WrittenRow[];
}

const NO_VALUES: WrittenRow['values'] = new Map();

/** Those of an output. Only columns are there that some row has something in. Throws `duplicate_layer`. */
export function tableOf({ groups, file }: Pick<OutputContents, 'groups' | 'file'>): WrittenTable {
  const types = new Set(groups.flatMap(({ entries }) => entries.flatMap(typeOfWeights)));
  const rows = groups.flatMap((group, index) => rowsOf(group, index, types));
  const names = new Set<string>();
  for (const { name } of rows) {
    if (names.has(name)) throw new QuantizeError('duplicate_layer', { file, layer: name });
    names.add(name);
  }
  const columns = [
    { kind: 'name', name: NAME } as const,
    ...arrayColumns(rows),
    { kind: 'shape', name: SHAPE } as const,
    ...valueColumns(rows),
  ];
  return { columns, rows };
}

const typeOfWeights = ({ column, type }: PlannedEntry): readonly string[] => (column === undefined ? [type.name] : []);

/** Entries with values beside them are one row; others are weights, with a row of their own each. */
function rowsOf({ entries, values }: PlannedGroup, group: number, types: ReadonlySet<string>): WrittenRow[] {
  if (values === undefined) {
    return entries.map((entry, plane) => {
      const { name, shape, type } = entry;
      const arrays = new Map([[columnFor(type.name, types), arrayOf(entry, plane)]]);
      return { group, name, shape, arrays, values: NO_VALUES };
    });
  }
  const [first] = entries;
  if (first === undefined) return [];
  const arrays = new Map(entries.map((entry, plane) => [entry.column ?? entry.name, arrayOf(entry, plane)]));
  return [{ group, name: first.name, shape: first.shape, arrays, values }];
}

/** Floats lie in one column where all have the same type; F32 always lie there, and nothing but floats does. */
const columnFor = (type: string, types: ReadonlySet<string>): string =>
  type === 'F32' || (type === 'F16' && !types.has('F32')) ? WEIGHTS : weightsColumn(type);

function arrayOf(entry: PlannedEntry, plane: number): WrittenArray {
  const elementBytes = knownBytes(entry.type.name, 1);
  if (elementBytes === undefined) throw new RangeError(`lists of ${entry.type.name} cannot be written`);
  return { entry, plane, elements: entry.bytes / elementBytes };
}

function arrayColumns(rows: readonly WrittenRow[]): WrittenColumn[] {
  const columns = new Map<string, WrittenColumn & { readonly kind: 'array' }>();
  for (const { arrays } of rows) {
    for (const [name, { entry, elements }] of arrays) {
      const isLong = elements > MOST_SHORT || columns.get(name)?.isLong === true;
      const isPacked = entry.isPacked === true;
      columns.set(name, { kind: 'array', name, element: entry.type.name, isPacked, isLong });
    }
  }
  const isFirst = (name: string): boolean => name === WEIGHTS;
  return [...columns.values()].sort((a, b) => Number(isFirst(b.name)) - Number(isFirst(a.name)));
}

function valueColumns(rows: readonly WrittenRow[]): WrittenColumn[] {
  const columns = new Map<string, WrittenColumn>();
  for (const { values } of rows) {
    for (const [name, { type }] of values) if (!columns.has(name)) columns.set(name, { kind: 'value', name, type });
  }
  return [...columns.values()];
}
