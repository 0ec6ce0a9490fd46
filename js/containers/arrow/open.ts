import type { ByteSource } from '../../io/byte-io.js';
import type { Entry, FilePart, OpenedFiles, Opening } from '../container.js';
import { invalidFile, quoted } from '../invalid-file.js';
import { columnsOf, type Column } from './batch.js';
import type { Fault } from './flat-table.js';
import { readMessages, type Message } from './messages.js';
import { Pace } from '../../io/pace.js';
import { BatchRows, type FileReading, type TableBatch } from './rows.js';
import { readSchema, type ArrowField, type ArrowSchema } from './schema.js';
import { SmallReads } from './small-reads.js';
import { tableColumns } from './table.js';
import { withoutTableTexts } from './table-texts.js';
import { textReader } from './utf8-text.js';
import { textRanges, textsOf, type Dictionaries } from './values.js';

/** A row takes some hundred bytes of memory, whatever it takes in the file. */
const MAX_ROWS = 1_000_000;

/** Opens the table in `source`. What it gives closes `source`; if this rejects, the caller does. */
export async function openArrow(source: ByteSource, opening: Opening): Promise<OpenedFiles> {
  const part = await readPart(source, opening);
  const portableTexts = withoutTableTexts(part.texts);
  return {
    ...{ container: 'arrow', name: source.name, sources: [source], parts: [part], texts: part.texts, portableTexts },
    carried: null,
    fact: () => undefined,
    close: () => source.close(),
  };
}

async function readPart(source: ByteSource, { columns, signal }: Opening): Promise<FilePart> {
  const fault: Fault = (detail) => invalidFile(source, detail);
  const pace = new Pace(signal);
  const textOf = textReader(fault, pace);
  const { schema: root, messages } = await readMessages(source, pace, fault);
  const schema = readSchema(root, textOf, fault);
  const reads = new SmallReads(fault);
  const table = tableColumns(schema, columns, fault);
  const file: FileReading = { source, reads, textOf, pace, fault, table, names: new Map() };
  const batches = new Batches(schema, file);
  for (const message of messages) {
    if (pace.spend(schema.fields.length)) await pace.turn();
    batches.add(message);
  }
  await reads.read();
  const rows = (await batches.tables()).map((batch) => new BatchRows(file, batch));
  for (const batch of rows) await batch.wantOthers();
  await reads.read();
  const entries: Entry[] = [];
  for (const batch of rows) for (const entry of await batch.entries()) entries.push(entry);
  return { source, entries, texts: schema.texts };
}

const NO_DICTIONARIES: Dictionaries = new Map();

/** A batch whose dictionaries are known when they are read. */
type Unread = Omit<TableBatch, 'dictionaries'>;

/** The batches of a file, and the dictionaries that each of them has. */
class Batches {
  readonly #schema: ArrowSchema;
  readonly #file: FileReading;
  /** Columns with texts out of a dictionary, by its number. */
  readonly #dictionaries: ReadonlyMap<number, ArrowField>;
  /** In their order. */
  readonly #messages: (
    | { readonly kind: 'batch'; readonly batch: Unread }
    | { readonly kind: 'dictionary'; readonly id: number; readonly adds: boolean; readonly batch: Unread }
  )[] = [];
  #rows = 0;
  #dictionaryRows = 0;

  constructor(schema: ArrowSchema, file: FileReading) {
    this.#schema = schema;
    this.#file = file;
    const { name, values } = file.table;
    const fields = [name, ...values].flatMap((place) => schema.fields[place] ?? []);
    this.#dictionaries = new Map(
      fields.flatMap((field) => (field.dictionary === null ? [] : [[field.dictionary.id, field] as const])),
    );
  }

  /** Names what has to be read of a message. */
  add(message: Message): void {
    const { source, fault } = this.#file;
    if (message.kind === 'dictionary') {
      this.#addDictionary(message);
      return;
    }
    const { rows, columns } = columnsOf(this.#schema.fields, { ...message, source }, fault);
    const batch = { rows, columns, firstRow: this.#rows };
    this.#rows += rows;
    if (this.#rows > MAX_ROWS) throw fault(`it has more than ${MAX_ROWS} rows`);
    new BatchRows(this.#file, { ...batch, dictionaries: new Map() }).wantNames();
    this.#messages.push({ kind: 'batch', batch });
  }

  #addDictionary({ content, ...message }: Message): void {
    const { source, fault, reads } = this.#file;
    const id = content.size(0);
    const field = this.#dictionaries.get(id);
    // Those of other columns are of no use.
    if (field === undefined) return;
    const data = content.table(1);
    if (data === null) throw fault(`the dictionary of its column ${quoted(field.name)} is empty`);
    const values = { ...field, dictionary: null };
    const { rows, columns } = columnsOf([values], { ...message, content: data, source }, fault);
    this.#dictionaryRows += rows;
    if (this.#dictionaryRows > MAX_ROWS) throw fault(`its dictionaries have more than ${MAX_ROWS} values`);
    for (const column of columns) reads.want(textRanges(column, fault));
    const batch = { rows, columns, firstRow: 0 };
    this.#messages.push({ kind: 'dictionary', id, adds: content.u8(2) !== 0, batch });
  }

  /** The batches with the dictionaries that came before each, once all is read that `add` has named. */
  async tables(): Promise<readonly TableBatch[]> {
    const tables: TableBatch[] = [];
    const values = new Map<number, (string | undefined)[]>();
    let dictionaries: Dictionaries | null = null;
    for (const message of this.#messages) {
      if (message.kind === 'batch') {
        dictionaries ??= new Map(values);
        tables.push({ ...message.batch, dictionaries });
        continue;
      }
      const { rows, columns } = message.batch;
      const before = message.adds ? values.get(message.id) : undefined;
      const all = before ?? [];
      for (const column of columns) await this.#addTexts(all, column, rows);
      values.set(message.id, all);
      dictionaries = null;
    }
    return tables;
  }

  async #addTexts(all: (string | undefined)[], column: Column, rows: number): Promise<void> {
    const { reads, textOf, pace, fault } = this.#file;
    const texts = textsOf(column, { bytes: reads.bytes, dictionaries: NO_DICTIONARIES, textOf, fault });
    for (let row = 0; row < rows; ++row) {
      if (pace.spend()) await pace.turn();
      all.push(texts(row));
    }
  }
}
