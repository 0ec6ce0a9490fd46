/**
 * `arrowquant/arrow`: with it, `toTable` and `toRecordBatch` of results make tables of the package apache-arrow, which has to be
 * installed. Arrow tables as weights, and their rows to dequantize, need none of it.
 *
 * @module arrowquant/arrow
 */

import {
  Binary,
  Bool,
  Field,
  Float32,
  Int64,
  List,
  RecordBatch,
  Schema,
  Struct,
  Table,
  Uint32,
  Uint8,
  Utf8,
  makeData,
  type Data,
} from 'apache-arrow';
import { MAKER, type TableMaker, type TableRow, type ZeroPointType } from './arrow/maker.js';

/** The columns of a table of quantized layers. */
// eslint-disable-next-line @typescript-eslint/consistent-type-definitions -- interfaces lack the index that apache-arrow asks for
export type QuantizedColumns = {
  layer_name: Utf8;
  quantized_data: Binary;
  scales: List<Float32>;
  zero_points: List<Float32> | List<Uint8>;
  shape: List<Int64>;
  bit_width: Uint8;
  group_size: Uint32;
  symmetric: Bool;
};

declare module './types.js' {
  interface ArrowTypes {
    readonly table: Table<QuantizedColumns>;
    readonly recordBatch: RecordBatch<QuantizedColumns>;
  }
}

/** Values that have a length each, as Arrow stores them: one array, and where each value ends. */
interface Joined<Values> {
  readonly values: Values;
  readonly valueOffsets: Int32Array;
}

const MOST = 2 ** 31 - 1;

/** Joins arrays to one; a single one is taken as it is. Throws a RangeError where 32 bits do not hold the offsets. */
function joined<Values extends Uint8Array | Float32Array | BigInt64Array>(
  rows: readonly TableRow[],
  arrays: readonly Values[],
  create: (length: number) => Values,
): Joined<Values> {
  const valueOffsets = new Int32Array(arrays.length + 1);
  let length = 0;
  arrays.forEach(({ length: own }, index) => {
    length += own;
    if (length > MOST) {
      const name = JSON.stringify(rows[index]?.name);
      const advice = rows.length > 1 ? 'toTable gives each layer a record batch of its own' : 'quantize it in parts';
      throw new RangeError(`up to layer ${name} a column would have more than 2^31 - 1 elements; ${advice}`);
    }
    valueOffsets[index + 1] = length;
  });
  const [only] = arrays;
  if (only !== undefined && arrays.length === 1) return { values: only, valueOffsets };
  const values = create(length);
  arrays.forEach((array, index) => {
    // Both are of the same kind, which is not for TypeScript to see.
    (values as Uint8Array).set(array as Uint8Array, valueOffsets[index]);
  });
  return { values, valueOffsets };
}

const ITEM = 'item';
const float32s = new List(new Field(ITEM, new Float32(), true));
const uint8s = new List(new Field(ITEM, new Uint8(), true));
const int64s = new List(new Field(ITEM, new Int64(), true));

/** The schema, all of it nullable, as pyarrow has what it is not told otherwise. */
const SCHEMAS: Readonly<Record<ZeroPointType, Schema<QuantizedColumns>>> = {
  float32: schemaWith(float32s),
  uint8: schemaWith(uint8s),
};

function schemaWith(zeroPoints: List<Float32> | List<Uint8>): Schema<QuantizedColumns> {
  const types: QuantizedColumns = {
    layer_name: new Utf8(),
    quantized_data: new Binary(),
    scales: float32s,
    zero_points: zeroPoints,
    shape: int64s,
    bit_width: new Uint8(),
    group_size: new Uint32(),
    symmetric: new Bool(),
  };
  const fields = Object.entries(types).map(([name, type]) => new Field(name, type, true));
  return new Schema(fields);
}

/** A list column of as many rows as there are arrays; `items` makes a column of all their elements. */
function lists<Item extends Float32 | Uint8 | Int64, Values>(
  type: List<Item>,
  { values, valueOffsets }: Joined<Values>,
  items: (values: Values) => Data<Item>,
): Data {
  const child = items(values);
  return makeData({ type, valueOffsets, child, nullCount: 0, length: valueOffsets.length - 1 });
}

const floatItems = (data: Float32Array): Data<Float32> => makeData({ type: new Float32(), data, nullCount: 0 });
const byteItems = (data: Uint8Array): Data<Uint8> => makeData({ type: new Uint8(), data, nullCount: 0 });
const longItems = (data: BigInt64Array): Data<Int64> => makeData({ type: new Int64(), data, nullCount: 0 });

const bytesOf = (length: number): Uint8Array => new Uint8Array(length);
const floatsOf = (length: number): Float32Array => new Float32Array(length);

function zeroPointsOf(rows: readonly TableRow[], as: ZeroPointType): Data {
  if (as === 'uint8')
    return lists(
      uint8s,
      joined(
        rows,
        rows.map((row) => row.zeroPoints),
        bytesOf,
      ),
      byteItems,
    );
  const floats = rows.map(({ zeroPoints }) => new Float32Array(zeroPoints));
  return lists(float32s, joined(rows, floats, floatsOf), floatItems);
}

function shapesOf(rows: readonly TableRow[]): Data {
  const sizes = rows.map(({ shape }) => BigInt64Array.from(shape, BigInt));
  return lists(
    int64s,
    joined(rows, sizes, (length) => new BigInt64Array(length)),
    longItems,
  );
}

/** Bits, the first one lowest. */
function bitmap(flags: readonly boolean[]): Uint8Array {
  const bits = new Uint8Array(Math.ceil(flags.length / 8));
  flags.forEach((flag, index) => {
    bits[index >> 3] = (bits[index >> 3] ?? 0) | (Number(flag) << (index & 7));
  });
  return bits;
}

function recordBatchOf(rows: readonly TableRow[], zeroPoints: ZeroPointType): RecordBatch<QuantizedColumns> {
  const shared = { nullCount: 0, length: rows.length };
  const text = new TextEncoder();
  const names = joined(
    rows,
    rows.map(({ name }) => text.encode(name)),
    bytesOf,
  );
  const levels = joined(
    rows,
    rows.map(({ quantizedData }) => quantizedData),
    bytesOf,
  );
  const numbers = (field: 'bitWidth' | 'groupSize'): number[] => rows.map((row) => row[field]);
  const children: readonly Data[] = [
    makeData({ type: new Utf8(), valueOffsets: names.valueOffsets, data: names.values, ...shared }),
    makeData({ type: new Binary(), valueOffsets: levels.valueOffsets, data: levels.values, ...shared }),
    lists(
      float32s,
      joined(
        rows,
        rows.map(({ scales }) => scales),
        floatsOf,
      ),
      floatItems,
    ),
    zeroPointsOf(rows, zeroPoints),
    shapesOf(rows),
    makeData({ type: new Uint8(), data: Uint8Array.from(numbers('bitWidth')), ...shared }),
    makeData({ type: new Uint32(), data: Uint32Array.from(numbers('groupSize')), ...shared }),
    makeData({ type: new Bool(), data: bitmap(rows.map(({ symmetric }) => symmetric)), ...shared }),
  ];
  const schema = SCHEMAS[zeroPoints];
  const type = new Struct<QuantizedColumns>(schema.fields);
  return new RecordBatch(schema, makeData({ type, children: [...children], ...shared }));
}

/** In the order of the names, as results are that nobody has added to. */
const sorted = (rows: readonly TableRow[]): TableRow[] => [...rows].sort((a, b) => (a.name < b.name ? -1 : 1));

const maker: TableMaker = {
  toTable: (rows, zeroPoints) =>
    new Table(
      SCHEMAS[zeroPoints],
      sorted(rows).map((row) => recordBatchOf([row], zeroPoints)),
    ),
  toRecordBatch: (rows, zeroPoints) => recordBatchOf(sorted(rows), zeroPoints),
};

Object.defineProperty(globalThis, MAKER, { value: maker, configurable: true, writable: true });
