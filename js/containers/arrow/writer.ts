import { QuantizeError } from '../../errors.js';
import type { FileLayout, Literal, OutputContents, Place, PlannedValue } from '../container.js';
import { modelTexts } from '../model-texts.js';
import { encodeUtf8 } from '../utf8.js';
import { MAGIC } from './head.js';
import { withoutTableTexts } from './table-texts.js';
import { tableOf, type WrittenArray, type WrittenColumn, type WrittenRow } from './written-columns.js';
import {
  END,
  aligned,
  batchMessage,
  footerOf,
  schemaMessage,
  schemaOf,
  type WrittenBlock,
} from './written-messages.js';

/** Small buffers that lie so close together are one literal. */
const MOST_GAP_BYTES = 256;

/**
 * Lays tensors out as a table of one record batch for each row, in the order of the groups: a batch's buffers lie together,
 * so that one tensor after the other can be written, to a stream, too. Throws `duplicate_layer`, and `invalid_option` for an
 * output of several files.
 */
export function layOut(contents: OutputContents): FileLayout {
  const { groups, layoutTexts, file, splitBytes } = contents;
  if (splitBytes !== undefined) {
    const detail = 'an Arrow file is never split, splitSize has no meaning for it; leave it out';
    throw new QuantizeError('invalid_option', { file, detail });
  }
  const { columns, rows } = tableOf(contents);
  const own = withoutTableTexts(modelTexts(contents));
  const texts = new Map([...own, ...layoutTexts(groups.map((_, index) => index))]);
  const schema = schemaOf(columns, texts);
  const header = headerOf(schemaMessage(schema));
  const places: Place[][] = groups.map(() => []);
  const literals = new Literals();
  const blocks: WrittenBlock[] = [];
  let reached = header.length;
  for (const row of rows) {
    const batch = new Batch(columns, row);
    const message = batchMessage(batch.nodes, batch.buffers, batch.bytes);
    const body = reached + message.length;
    literals.put(reached, message);
    for (const { position, content } of batch.parts) {
      if ('length' in content) literals.put(body + position, content);
      else {
        literals.end();
        const ofGroup = places[row.group];
        if (ofGroup !== undefined) ofGroup[content.plane] = { file: 0, position: body + position };
      }
    }
    blocks.push({ begin: reached, metadataBytes: message.length, bodyBytes: batch.bytes });
    reached = body + batch.bytes;
  }
  const tail = tailOf(footerOf(schema, blocks));
  literals.put(reached, tail);
  return {
    files: [{ name: file, header, literals: literals.all(), fileBytes: reached + tail.length }],
    places,
  };
}

function headerOf(schema: Uint8Array): Uint8Array {
  const header = new Uint8Array(aligned(8 + schema.length));
  header.set(MAGIC);
  header.set(schema, 8);
  // What is added to the message to align what follows is its own.
  new DataView(header.buffer).setInt32(12, header.length - 16, true);
  return header;
}

function tailOf(footer: Uint8Array): Uint8Array {
  const tail = new Uint8Array(END.length + footer.length + 4 + MAGIC.length);
  tail.set(END);
  tail.set(footer, END.length);
  new DataView(tail.buffer).setInt32(END.length + footer.length, footer.length, true);
  tail.set(MAGIC, END.length + footer.length + 4);
  return tail;
}

/** Bytes of a batch, or the array that goes there. */
interface BatchPart {
  readonly position: number;
  readonly content: Uint8Array | WrittenArray;
}

/** The body of a batch of one row: its columns' buffers, one behind the other. */
class Batch {
  readonly nodes: number[] = [];
  readonly buffers: number[] = [];
  readonly parts: BatchPart[] = [];
  #bytes = 0;

  constructor(columns: readonly WrittenColumn[], row: WrittenRow) {
    for (const column of columns) this.#column(column, row);
  }

  /** A multiple of ALIGNMENT. */
  get bytes(): number {
    return this.#bytes;
  }

  #column(column: WrittenColumn, row: WrittenRow): void {
    switch (column.kind) {
      case 'name':
        this.#text(row.name);
        return;
      case 'shape':
        this.#node(true);
        this.#small(offsets(row.shape.length, 4));
        this.nodes.push(row.shape.length, 0);
        this.#none();
        this.#small(new Uint8Array(BigInt64Array.from(row.shape, BigInt).buffer));
        return;
      case 'array':
        this.#array(column, row.arrays.get(column.name));
        return;
      case 'value':
        this.#value(column.type, row.values.get(column.name));
    }
  }

  #array({ isPacked, isLong }: WrittenColumn & { readonly kind: 'array' }, array: WrittenArray | undefined): void {
    const elements = array?.elements ?? 0;
    this.#node(array !== undefined);
    this.#small(offsets(elements, isLong ? 8 : 4));
    if (!isPacked) {
      this.nodes.push(elements, 0);
      this.#none();
    }
    if (array === undefined) this.#none();
    else this.#add(array.entry.bytes, array);
  }

  #value(type: PlannedValue['type'], value: PlannedValue | undefined): void {
    if (type === 'TEXT') {
      this.#text(value?.type === type ? value.value : undefined);
      return;
    }
    this.#node(value !== undefined);
    const bytes = new Uint8Array(type === 'U32' ? 4 : 1);
    if (value !== undefined && value.type !== 'TEXT') {
      const view = new DataView(bytes.buffer);
      if (type === 'U32') view.setUint32(0, Number(value.value), true);
      else view.setUint8(0, Number(value.value));
    }
    this.#small(bytes);
  }

  #text(text: string | undefined): void {
    const bytes = encodeUtf8(text ?? '');
    this.#node(text !== undefined);
    this.#small(offsets(bytes.length, 4));
    this.#small(bytes);
  }

  /** A column of one value, and which of its values are there: it, or none. */
  #node(isThere: boolean): void {
    this.nodes.push(1, Number(!isThere));
    if (isThere) this.#none();
    else this.#small(new Uint8Array(1));
  }

  #small(bytes: Uint8Array): void {
    this.#add(bytes.length, bytes);
  }

  #none(): void {
    this.buffers.push(this.#bytes, 0);
  }

  #add(bytes: number, content: Uint8Array | WrittenArray): void {
    this.buffers.push(this.#bytes, bytes);
    this.parts.push({ position: this.#bytes, content });
    this.#bytes = aligned(this.#bytes + bytes);
  }
}

/** Where the only list or text of a column begins and ends. */
function offsets(end: number, bytes: 4 | 8): Uint8Array {
  const view = new DataView(new ArrayBuffer(bytes * 2));
  if (bytes === 4) view.setInt32(4, end, true);
  else view.setBigInt64(8, BigInt(end), true);
  return new Uint8Array(view.buffer);
}

/** Collects what lies among the tensors' bytes; neighbours become one literal. */
class Literals {
  readonly #all: Literal[] = [];
  #open: { position: number; bytes: Uint8Array }[] = [];

  put(position: number, bytes: Uint8Array): void {
    const last = this.#open.at(-1);
    if (last !== undefined && position - last.position - last.bytes.length > MOST_GAP_BYTES) this.end();
    this.#open.push({ position, bytes });
  }

  /** What follows does not lie beside what came before. */
  end(): void {
    const [first] = this.#open;
    const last = this.#open.at(-1);
    if (first === undefined || last === undefined) return;
    const bytes = new Uint8Array(last.position + last.bytes.length - first.position);
    for (const one of this.#open) bytes.set(one.bytes, one.position - first.position);
    this.#all.push({ position: first.position, bytes });
    this.#open = [];
  }

  all(): readonly Literal[] {
    this.end();
    return this.#all;
  }
}
