/** The metadata of a table that is written: its schema, a message for each row, and the footer. */

import { elementTypeOf } from './element-types.js';
import { flatBuffer, i16, i32, i64, table, tables, text, u8, type FlatFields } from './flat-writer.js';
import type { ArrowType } from './schema.js';
import type { WrittenColumn } from './written-columns.js';

/** Version 5 of the metadata. */
const VERSION = i16(4);
const SCHEMA = u8(1);
const BATCH = u8(3);
const MARK_BYTES = 8;
/** Messages and buffers begin at multiples of it, as Arrow recommends. */
export const ALIGNMENT = 64;

export const aligned = (position: number): number => Math.ceil(position / ALIGNMENT) * ALIGNMENT;

/** Where a message lies in the file. */
export interface WrittenBlock {
  readonly begin: number;
  readonly metadataBytes: number;
  readonly bodyBytes: number;
}

/** The schema, as the message of a stream and as the footer have it. */
export const schemaOf = (columns: readonly WrittenColumn[], texts: ReadonlyMap<string, string>): FlatFields => [
  null,
  tables(columns.map(fieldOf)),
  tables([...texts].map(([key, value]) => [text(key), text(value)])),
];

const field = (name: string, nullable: boolean, [type, parameters]: TypeFields, child?: FlatFields): FlatFields => [
  text(name),
  u8(Number(nullable)),
  u8(type),
  table(parameters),
  null,
  // Readers ask for it, empty or not.
  tables(child === undefined ? [] : [child]),
];

type TypeFields = readonly [number: number, parameters: FlatFields];

const INTEGER = 2;
const FLOAT = 3;
const UTF8: TypeFields = [5, []];
const BOOL: TypeFields = [6, []];
const item = (type: TypeFields): FlatFields => field('item', true, type);

const FLOAT_PRECISIONS: Readonly<Record<number, number>> = { 16: 0, 32: 1 };

function typeFields(type: ArrowType | undefined): TypeFields {
  if (type?.kind === 'float') return [FLOAT, [i16(FLOAT_PRECISIONS[type.bits] ?? 1)]];
  if (type?.kind === 'integer') return [INTEGER, [i32(type.bits), u8(Number(type.signed))]];
  throw new RangeError('lists have numbers in them');
}

function fieldOf(column: WrittenColumn): FlatFields {
  const { name } = column;
  switch (column.kind) {
    case 'name':
      return field(name, false, UTF8);
    case 'shape':
      return field(name, true, [12, []], item(typeFields(elementTypeOf('I64'))));
    case 'array': {
      const { isPacked, isLong, element } = column;
      if (isPacked) return field(name, true, [isLong ? 19 : 4, []]);
      return field(name, true, [isLong ? 21 : 12, []], item(typeFields(elementTypeOf(element))));
    }
    case 'value':
      return field(name, true, valueType(column.type));
  }
}

function valueType(type: (WrittenColumn & { readonly kind: 'value' })['type']): TypeFields {
  if (type === 'BOOL') return BOOL;
  return type === 'TEXT' ? UTF8 : typeFields(elementTypeOf(type));
}

/** A message with its mark and length before it, so long that what follows is aligned where it begins so. */
function framed(message: FlatFields): Uint8Array {
  const metadata = flatBuffer(message);
  const bytes = new Uint8Array(aligned(MARK_BYTES + metadata.length));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0xffff_ffff, true);
  view.setInt32(4, bytes.length - MARK_BYTES, true);
  bytes.set(metadata, MARK_BYTES);
  return bytes;
}

export const schemaMessage = (schema: FlatFields): Uint8Array => framed([VERSION, SCHEMA, table(schema), i64(0)]);

/** Of a batch of one row. `nodes`: lengths and numbers of nulls; `buffers`: where they lie in the body, and their bytes. */
export const batchMessage = (nodes: readonly number[], buffers: readonly number[], bodyBytes: number): Uint8Array =>
  framed([VERSION, BATCH, table([i64(1), structs(nodes, 2), structs(buffers, 2)]), i64(bodyBytes)]);

const structs = (value: readonly number[], numbers: number) =>
  ({ kind: 'structs', count: value.length / numbers, value }) as const;

/** The end of the messages. */
export const END = new Uint8Array([255, 255, 255, 255, 0, 0, 0, 0]);

export const footerOf = (schema: FlatFields, blocks: readonly WrittenBlock[]): Uint8Array =>
  flatBuffer([
    VERSION,
    table(schema),
    structs([], 3),
    structs(
      blocks.flatMap(({ begin, metadataBytes, bodyBytes }) => [begin, metadataBytes, bodyBytes]),
      3,
    ),
  ]);
