/** The rows of a record batch: each is a tensor, whose bytes lie where its list does. */

import type { QuantizeError } from '../../errors.js';
import type { ByteRange, ByteSource } from '../../io/byte-io.js';
import type { CellValue, Entry } from '../container.js';
import { MAX_RANK, elementCount, knownBytes } from '../dtypes.js';
import { invalidFile, quoted } from '../invalid-file.js';
import type { Column } from './batch.js';
import { NAME, SHAPE, WEIGHTS, elementName } from './element-types.js';
import type { Fault } from './flat-table.js';
import { NullCheck } from './null-check.js';
import type { Pace } from '../../io/pace.js';
import type { SmallReads } from './small-reads.js';
import type { TableColumns } from './table.js';
import type { TextOf } from './utf8-text.js';
import {
  flagRanges,
  flagsOf,
  integerRanges,
  integersOf,
  stretchesOf,
  stretchRanges,
  textRanges,
  textsOf,
  validityOf,
  type Dictionaries,
  type TextReading,
} from './values.js';

/** What the batches of a file share. */
export interface FileReading {
  readonly source: ByteSource;
  readonly table: TableColumns;
  readonly reads: SmallReads;
  readonly textOf: TextOf;
  readonly pace: Pace;
  readonly fault: Fault;
  /** Names that have been read, and in which row. */
  readonly names: Map<string, number>;
}

/** A record batch, and the number of its first row in the file. */
export interface TableBatch {
  readonly rows: number;
  readonly columns: readonly Column[];
  readonly firstRow: number;
  readonly dictionaries: Dictionaries;
}

/** Reads the rows of one batch: first `wantNames`, then, when that is read, `wantOthers`, and then `entries`. */
export class BatchRows {
  readonly #file: FileReading;
  readonly #batch: TableBatch;

  constructor(file: FileReading, batch: TableBatch) {
    this.#file = file;
    this.#batch = batch;
  }

  /** Names what tells names, shapes and weights. */
  wantNames(): void {
    const { table, reads, fault } = this.#file;
    reads.want(textRanges(this.#column(table.name), fault));
    for (const place of table.weights) reads.want(stretchRanges(this.#column(place), fault));
    const shape = this.#shape;
    if (shape === null) return;
    reads.want(stretchRanges(shape, fault));
    const child = childOf(shape);
    reads.want(integerRanges(child, child.field.type, fault));
  }

  /** Names what rows without weights have in their place; nothing where all have some. */
  async wantOthers(): Promise<void> {
    const { table, reads, fault } = this.#file;
    if (await this.#haveAllWeights()) return;
    for (const place of table.arrays) reads.want(stretchRanges(this.#column(place), fault));
    for (const place of table.values) reads.want(rangesOfValues(this.#column(place), fault));
  }

  async #haveAllWeights(): Promise<boolean> {
    const { table, reads, pace, fault } = this.#file;
    const isThere = table.weights.map((place) => validityOf(this.#column(place), reads.bytes, fault));
    for (let row = 0; row < this.#batch.rows; ++row) {
      if (!isThere.some((is) => is(row))) return false;
      if (pace.spend()) await pace.turn();
    }
    return true;
  }

  /** Rejects for a null, and for what does not fit together; every error names column and row. */
  async entries(): Promise<readonly Entry[]> {
    const { table, pace } = this.#file;
    const { rows } = this.#batch;
    const names = textsOf(this.#column(table.name), this.#texts);
    const shapes = this.#shapes();
    const weights = table.weights.map((place) => this.#arraysOf(place));
    const arrays = once(() => table.arrays.map((place) => this.#arraysOf(place)));
    const values = once(() => table.values.map((place) => this.#valuesOf(place)));
    const entries: Entry[] = [];
    for (let row = 0; row < rows; ++row) {
      if (pace.spend()) await pace.turn();
      const name = names(row);
      if (name === undefined) throw this.#fault(NAME, row, 'it is null', undefined);
      this.#checkName(name, row);
      const shape = shapes(row, name);
      const [own, other] = await allOf(weights, row, name);
      if (other !== undefined) {
        throw this.#fault(other.column, row, `the row has something in ${quoted(own?.column ?? '')}, too`, name);
      }
      if (own !== undefined) {
        entries.push(this.#weightsEntry(own, shape, row, name));
        continue;
      }
      entries.push(...(await this.#cells(arrays(), values(), shape, { row, name })));
    }
    return entries;
  }

  #checkName(name: string, row: number): void {
    const { names } = this.#file;
    const other = names.get(name);
    if (other !== undefined) throw this.#fault(NAME, row, `row ${other} has the same name`, name);
    names.set(name, this.#batch.firstRow + row);
  }

  get #texts(): TextReading {
    const { reads, textOf, fault } = this.#file;
    return { bytes: reads.bytes, dictionaries: this.#batch.dictionaries, textOf, fault };
  }

  get #shape(): Column | null {
    const { shape } = this.#file.table;
    return shape === null ? null : this.#column(shape);
  }

  #column(place: number): Column {
    const column = this.#batch.columns[place];
    if (column === undefined) throw new RangeError(`there is no column ${place}`);
    return column;
  }

  #weightsEntry({ column, ...array }: CellArray, shape: readonly number[] | null, row: number, name: string): Entry {
    const { elements } = array;
    const known = shape ?? [elements];
    const needed = elementCount(known);
    if (needed !== elements) {
      const detail = `[${known.join(', ')}] needs ${needed} values, but ${quoted(column)} has ${elements}`;
      throw this.#fault(SHAPE, row, detail, name);
    }
    return { ...array, name, shape: known };
  }

  async #cells(
    arrays: readonly ArraysOf[],
    valuesOf: readonly ValuesOf[],
    shape: readonly number[] | null,
    { row, name }: { readonly row: number; readonly name: string },
  ): Promise<readonly Entry[]> {
    const found = await allOf(arrays, row, name);
    if (found.length === 0) {
      throw this.#fault(WEIGHTS, row, 'it is null, and no other column that is read has anything', name);
    }
    if (shape === null) throw this.#fault(SHAPE, row, 'there is none, and without weights nothing else tells', name);
    const values: ReadonlyMap<string, CellValue> = new Map(valuesOf.flatMap((of) => of(row)));
    return found.map((array) => ({ ...array, name, shape, values }));
  }

  /** The shape of a row; null where nothing says. */
  #shapes(): (row: number, name: string) => readonly number[] | null {
    const { reads, fault } = this.#file;
    const column = this.#shape;
    if (column === null) return () => null;
    const child = childOf(column);
    const isThere = validityOf(column, reads.bytes, fault);
    const isKnown = validityOf(child, reads.bytes, fault);
    const stretches = stretchesOf(column, reads.bytes, fault);
    const sizes = integersOf(child, child.field.type, reads.bytes, fault);
    return (row, name) => {
      if (!isThere(row)) return null;
      const { begin, count } = stretches(row);
      const places = Array.from({ length: Math.min(count, MAX_RANK + 1) }, (_, index) => begin + index);
      if (!places.every(isKnown)) throw this.#fault(SHAPE, row, 'a size in it is null', name);
      const shape = places.map(sizes);
      if (count > MAX_RANK || Number.isNaN(elementCount(shape))) {
        throw this.#fault(SHAPE, row, `[${shape.slice(0, MAX_RANK).join(', ')}] is no shape`, name);
      }
      return shape;
    };
  }

  /** The numbers or bytes that a column has in a row. */
  #arraysOf(place: number): ArraysOf {
    const { source, reads, pace, fault } = this.#file;
    const column = this.#column(place);
    const { name: label, type } = column.field;
    const isThere = validityOf(column, reads.bytes, fault);
    const stretches = stretchesOf(column, reads.bytes, fault);
    const child = type.kind === 'binary' ? null : childOf(column);
    const element = child === null ? 'U8' : (elementName(child.field) ?? 'U8');
    const elementBytes = knownBytes(element, 1) ?? 1;
    const nulls = child === null ? null : new NullCheck(child, source, pace);
    return async (row, name) => {
      if (!isThere(row)) return null;
      const { begin, count, buffer } = stretches(row);
      const range = child === null ? column.buffers[buffer] : child.buffers[0];
      if (range === undefined || (begin + count) * elementBytes > range.bytes) {
        throw this.#fault(label, row, 'its values do not lie in the file', name);
      }
      const found = (await nulls?.firstNull(begin, count)) ?? null;
      if (found === 'missing') throw this.#fault(label, row, 'its values do not lie in the file', name);
      if (found !== null) throw this.#fault(label, row, `value ${found - begin} is null`, name);
      const data = [{ source, begin: range.begin + begin * elementBytes, bytes: count * elementBytes }];
      return { column: label, type: { name: element }, elements: count, data };
    };
  }

  /** The single value that a column has in a row, with the column's name; nothing where it is null. */
  #valuesOf(place: number): ValuesOf {
    const { reads, fault } = this.#file;
    const column = this.#column(place);
    const { name, type, dictionary } = column.field;
    const isThere = validityOf(column, reads.bytes, fault);
    const read = ((): ((row: number) => CellValue | undefined) => {
      if (dictionary !== null || type.kind === 'utf8') {
        return textsOf(column, this.#texts);
      }
      return type.kind === 'bool' ? flagsOf(column, reads.bytes, fault) : integersOf(column, type, reads.bytes, fault);
    })();
    return (row) => {
      const value = isThere(row) ? read(row) : undefined;
      return value === undefined ? [] : [[name, value]];
    };
  }

  #fault(column: string, row: number, detail: string, layer: string | undefined): QuantizeError {
    const where = `column ${quoted(column)}, row ${this.#batch.firstRow + row}`;
    const whose = layer === undefined ? '' : ` (${quoted(layer)})`;
    return invalidFile(this.#file.source, `${where}${whose}: ${detail}`, layer === undefined ? {} : { layer });
  }
}

/** Numbers or bytes in a column of a row. */
interface CellArray extends Pick<Entry, 'type' | 'elements' | 'data'> {
  readonly column: string;
}

type ArraysOf = (row: number, name: string) => Promise<CellArray | null>;
type ValuesOf = (row: number) => readonly (readonly [string, CellValue])[];

function childOf({ children: [child], field }: Column): Column {
  if (child === undefined) throw new RangeError(`${field.name} has no lists`);
  return child;
}

/** What the row has in those columns. */
async function allOf(columns: readonly ArraysOf[], row: number, name: string): Promise<readonly CellArray[]> {
  const found = await Promise.all(columns.map((of) => of(row, name)));
  return found.filter((one) => one !== null);
}

function once<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined;
  return () => (made ??= { value: make() }).value;
}

function rangesOfValues(column: Column, fault: Fault): readonly ByteRange[] {
  const { type, dictionary } = column.field;
  if (dictionary !== null || type.kind === 'utf8') return textRanges(column, fault);
  return type.kind === 'bool' ? flagRanges(column, fault) : integerRanges(column, type, fault);
}
