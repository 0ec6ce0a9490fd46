import { QuantizeError } from '../errors.js';
import type { ByteSource } from '../io/byte-io.js';
import type { Container, Entry, EntryType, FileLayout, OpenedFiles, OutputContents, Place } from './container.js';
import { MAX_RANK, elementCount, isDType, knownBytes } from './dtypes.js';
import { CUT_OFF } from './foreign-files.js';
import { invalidFile, quoted } from './invalid-file.js';
import { isRecord, parseJsonObject } from './json.js';

/**
 * A file of named arrays: the magic number, the length of a table as a little-endian u64, the table (JSON), and the arrays.
 * Those of one tensor lie one behind the other; the first begins at a multiple of ALIGNMENT.
 */
const MAGIC = new TextEncoder().encode('CRATE\r\n\0');
const TABLE_BEGIN = MAGIC.length + 8;
const MOST_TABLE_BYTES = 2 ** 27;
const ALIGNMENT = 64;

export const crate = {
  name: 'crate',
  title: 'a crate',
  extension: '.crate',
  hasFinalNames: false,
  takesFileTypes: false,
  recognizes: (head) => MAGIC.every((byte, index) => head[index] === byte),
  open,
  holds: () => true,
  partNames: (file) => [file],
  layOut,
} as const satisfies Container;

/** An entry in the table. */
interface Line {
  readonly name: string;
  readonly type: string;
  readonly id?: number;
  readonly unknown?: true;
  readonly shape: readonly number[];
  /** Counts from the first multiple of ALIGNMENT behind the table. */
  readonly begin: number;
  readonly bytes: number;
}

async function open(source: ByteSource): Promise<OpenedFiles> {
  const { entries, texts } = await readTable(source);
  return {
    ...{ container: 'crate', name: source.name, sources: [source], parts: [{ source, entries, texts }] },
    ...{ texts, portableTexts: texts, carried: null },
    fact: () => undefined,
    close: () => source.close(),
  };
}

async function readTable(source: ByteSource): Promise<{ entries: Entry[]; texts: Map<string, string> }> {
  if (source.size < TABLE_BEGIN) throw invalidFile(source, `it has ${source.size} bytes; ${CUT_OFF}`);
  const head = new Uint8Array(TABLE_BEGIN);
  await source.read(head, 0);
  const length = new DataView(head.buffer).getBigUint64(MAGIC.length, true);
  if (length > BigInt(Math.min(MOST_TABLE_BYTES, source.size - TABLE_BEGIN))) {
    throw invalidFile(source, `it announces a table of ${length} bytes; ${CUT_OFF}`);
  }
  const bytes = new Uint8Array(Number(length));
  await source.read(bytes, TABLE_BEGIN);
  const { texts, entries } = parseJsonObject(bytes, source, 'the table', Infinity);
  if (!isRecord(texts) || !Array.isArray(entries)) throw invalidFile(source, 'the table has no texts or no entries');
  const pairs = Object.entries(texts).map(([key, text]) => {
    if (typeof text !== 'string') throw invalidFile(source, `the text ${quoted(key)} is none`);
    return [key, text] as const;
  });
  const base = aligned(TABLE_BEGIN + Number(length));
  const names = new Set<string>();
  const read = (entries as unknown[]).map((line) => {
    const entry = readLine(line, base, source);
    if (names.has(entry.name)) throw invalidFile(source, `tensor ${quoted(entry.name)} is there twice`);
    names.add(entry.name);
    return entry;
  });
  return { entries: read, texts: new Map(pairs) };
}

function readLine(line: unknown, base: number, source: ByteSource): Entry {
  const fail = (what: string): QuantizeError => invalidFile(source, `an entry of the table has no valid ${what}`);
  if (!isRecord(line)) throw fail('description');
  const { name, type, id, unknown, shape, begin, bytes } = line;
  if (typeof name !== 'string') throw fail('name');
  if (typeof type !== 'string' || (id !== undefined && typeof id !== 'number')) throw fail('type');
  if (unknown !== undefined && unknown !== true) throw fail('type');
  if (!Array.isArray(shape) || shape.length > MAX_RANK) throw fail('shape');
  const elements = elementCount(shape);
  if (Number.isNaN(elements)) throw fail('shape');
  if (!isPosition(begin) || !isPosition(bytes) || base + begin + bytes > source.size) throw fail('place');
  const known = id === undefined && unknown === undefined ? knownBytes(type, elements) : undefined;
  if (known !== undefined && known !== bytes) throw fail(`number of bytes: ${quoted(name)} needs ${known}`);
  const entryType: EntryType = { name: type, ...(id !== undefined && { id }), ...(unknown && { unknown }) };
  const data = [{ source, begin: base + begin, bytes }];
  return { name, type: entryType, shape: shape as number[], elements, data };
}

const isPosition = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

const aligned = (position: number): number => Math.ceil(position / ALIGNMENT) * ALIGNMENT;

/** In the order of the tensors. Throws `duplicate_layer`, and `invalid_option` for an output of several files. */
function layOut({ groups, texts, layoutTexts, layoutKeys, file, splitBytes }: OutputContents): FileLayout {
  if (splitBytes !== undefined) {
    throw new QuantizeError('invalid_option', { file, detail: 'a crate is one file; leave splitSize out' });
  }
  const lines: Line[] = [];
  const names = new Set<string>();
  let reached = 0;
  const begins = groups.map(({ entries }) => {
    reached = aligned(reached);
    return entries.map(({ name, type, from, shape, bytes }) => {
      if (names.has(name)) throw new QuantizeError('duplicate_layer', { file, layer: name });
      names.add(name);
      const begin = reached;
      reached += bytes;
      lines.push({ name, ...typeOf(type, from), shape, begin, bytes });
      return begin;
    });
  });
  const own = [...texts].map(([key, text]) => [layoutKeys.includes(key) ? `model.${key}` : key, text] as const);
  const added = layoutTexts(groups.map((_, index) => index));
  const header = headerOf(Object.fromEntries([...own, ...added]), lines);
  const places = begins.map((ofGroup) => ofGroup.map((begin): Place => ({ file: 0, position: header.length + begin })));
  return { files: [{ name: file, header, fileBytes: header.length + reached }], places };
}

/** What another container copies is no codec's by its name alone. */
function typeOf({ name, id, unknown }: EntryType, from: string | undefined): Pick<Line, 'type' | 'id' | 'unknown'> {
  const isForeign = unknown === true || (from !== undefined && !isDType(name));
  return { type: name, ...(id !== undefined && { id }), ...(isForeign && { unknown: true as const }) };
}

function headerOf(texts: Readonly<Record<string, string>>, entries: readonly Line[]): Uint8Array {
  const table = new TextEncoder().encode(JSON.stringify({ texts, entries }));
  const header = new Uint8Array(aligned(TABLE_BEGIN + table.length));
  header.set(MAGIC);
  new DataView(header.buffer).setBigUint64(MAGIC.length, BigInt(table.length), true);
  header.set(table, TABLE_BEGIN);
  return header;
}
