/** The columns of a record batch: how long they are, and where their buffers lie. */

import type { ByteRange, ByteSource } from '../../io/byte-io.js';
import { quoted } from '../invalid-file.js';
import { sizeAt, type Fault, type FlatTable, type Structs } from './flat-table.js';
import type { ArrowField } from './schema.js';

const NODE_BYTES = 16;
const BUFFER_BYTES = 16;

/** What compresses the bodies of batches, by number. */
const COMPRESSIONS = ['LZ4', 'ZSTD'];

/** A column of a batch, or the values that the lists of one consist of. */
export interface Column {
  readonly field: ArrowField;
  readonly length: number;
  /** How many of its values are null. */
  readonly nulls: number;
  /** Which of them are; not to be looked at where none is. */
  readonly validity: ByteRange;
  /** The other buffers, in the order of the format. */
  readonly buffers: readonly ByteRange[];
  readonly children: readonly Column[];
}

/** A record batch, as its message has it. */
export interface BatchPart {
  readonly content: FlatTable;
  readonly source: ByteSource;
  readonly bodyBegin: number;
  readonly bodyBytes: number;
}

/** The number of rows, and the columns. Throws what `fault` makes for a batch that is damaged or compressed. */
export function columnsOf(
  fields: readonly ArrowField[],
  part: BatchPart,
  fault: Fault,
): { readonly rows: number; readonly columns: readonly Column[] } {
  const { content } = part;
  refuseCompression(content, fault);
  const rows = content.size(0);
  const walk = new Walk(part, fault);
  const columns = fields.map((field) => walk.column(field));
  walk.end();
  for (const { field, length } of columns) {
    if (length !== rows) throw fault(`its column ${quoted(field.name)} has ${length} of ${rows} rows`);
  }
  return { rows, columns };
}

function refuseCompression(content: FlatTable, fault: Fault): void {
  const compression = content.table(3);
  if (compression === null) return;
  const name = COMPRESSIONS[compression.u8(0)] ?? 'something unknown';
  throw fault(
    `its record batches are compressed with ${name}; write it without compression, in pyarrow by ` +
      'ipc.IpcWriteOptions(compression=None), or write_feather(table, file, compression="uncompressed")',
  );
}

/** Goes through the nodes and buffers of a batch, of which every column takes its own. */
class Walk {
  readonly #part: BatchPart;
  readonly #fault: Fault;
  readonly #nodes: Structs;
  readonly #buffers: Structs;
  readonly #views: Structs;
  #node = 0;
  #buffer = 0;
  #view = 0;

  constructor(part: BatchPart, fault: Fault) {
    this.#part = part;
    this.#fault = fault;
    this.#nodes = part.content.structs(1, NODE_BYTES);
    this.#buffers = part.content.structs(2, BUFFER_BYTES);
    this.#views = part.content.structs(4, 8);
  }

  column(field: ArrowField): Column {
    if (this.#node >= this.#nodes.count) throw this.#fault('a record batch has too few columns');
    const at = this.#node++ * NODE_BYTES;
    const length = sizeAt(this.#nodes.view, at, this.#fault);
    const nulls = sizeAt(this.#nodes.view, at + 8, this.#fault);
    if (nulls > length) throw this.#fault(`its column ${quoted(field.name)} has more nulls than values`);
    const [validity = this.#range(0, 0), ...buffers] = this.#own(field);
    const children = field.dictionary === null ? field.children.map((child) => this.column(child)) : [];
    return { field, length, nulls, validity, buffers, children };
  }

  end(): void {
    if (this.#node !== this.#nodes.count || this.#buffer !== this.#buffers.count) {
      throw this.#fault('a record batch has more columns than its schema');
    }
  }

  #own({ type, dictionary }: ArrowField): ByteRange[] {
    if (dictionary !== null) return this.#take(2);
    switch (type.kind) {
      case 'utf8':
      case 'binary':
        return this.#take(type.offsets === 'view' ? 2 + this.#variadic() : 3);
      case 'fixed-list':
        return this.#take(1);
      case 'other':
        return this.#take(type.buffers);
      default:
        return this.#take(2);
    }
  }

  /** How many buffers the views of the next column of such point into. */
  #variadic(): number {
    if (this.#view >= this.#views.count) throw this.#fault('a record batch does not say where its views point');
    return sizeAt(this.#views.view, this.#view++ * 8, this.#fault);
  }

  #take(count: number): ByteRange[] {
    if (this.#buffer + count > this.#buffers.count) throw this.#fault('a record batch has too few buffers');
    return Array.from({ length: count }, () => {
      const at = this.#buffer++ * BUFFER_BYTES;
      const { view } = this.#buffers;
      return this.#range(sizeAt(view, at, this.#fault), sizeAt(view, at + 8, this.#fault));
    });
  }

  #range(offset: number, bytes: number): ByteRange {
    const { source, bodyBegin, bodyBytes } = this.#part;
    if (offset + bytes > bodyBytes) throw this.#fault('a buffer does not lie in its record batch');
    return { source, begin: bodyBegin + offset, bytes };
  }
}
