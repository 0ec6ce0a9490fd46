/**
 * The directory of a zip archive (PKWARE's APPNOTE.TXT 6.3, sections 4.3.7 to 4.3.16 and 4.5.3), zip64 included. Nothing is
 * unpacked: torch.save stores its entries as they are, and they are read where they lie.
 */

import type { ByteSource } from '../../io/byte-io.js';
import { readRanges } from '../../io/read-ranges.js';
import { CUT_OFF } from '../foreign-files.js';
import { invalidFile, quoted } from '../invalid-file.js';
import { decodeUtf8 } from '../utf8.js';

/** A file in an archive. */
export interface ZipEntry {
  readonly name: string;
  /** Why its bytes are not in the archive as they are; null when they are. */
  readonly obstacle: string | null;
  readonly bytes: number;
  /** Where its own header begins. */
  readonly header: number;
  /** The least that its own header takes. */
  readonly headerBytes: number;
  /** Whether its sizes and checksum follow its bytes. */
  readonly hasDescriptor: boolean;
  /** Where the next entry's header begins, or the directory. */
  readonly next: number;
}

const LOCAL_HEADER = 0x04034b50;
const LOCAL_HEADER_BYTES = 30;
const RECORD = 0x02014b50;
const RECORD_BYTES = 46;
const END = 0x06054b50;
const END_BYTES = 22;
const LOCATOR = 0x07064b50;
const LOCATOR_BYTES = 20;
const END_64 = 0x06064b50;
const END_64_BYTES = 56;
/** In the place of a number that is elsewhere, with 64 bits. */
const ELSEWHERE = 0xffff_ffff;
const WIDE_NUMBERS = 1;

const MOST_TAIL_BYTES = END_BYTES + 0xffff + LOCATOR_BYTES + END_64_BYTES;
const MOST_DIRECTORY_BYTES = 2 ** 26;
const MOST_ENTRIES = 2 ** 20;

/** To what torch.save aligns the bytes of every entry. */
const ALIGNMENT = 64;
/** What descriptors take: a signature, a checksum, and two sizes of 32 or 64 bits. */
const DESCRIPTOR_BYTES = [16, 24];

/** Stretches of a file; those in its last bytes are read only once. */
class Tail {
  readonly source: ByteSource;
  readonly begin: number;
  #bytes = new Uint8Array();

  constructor(source: ByteSource) {
    this.source = source;
    this.begin = Math.max(0, source.size - MOST_TAIL_BYTES);
  }

  async load(): Promise<DataView> {
    this.#bytes = await readBytes(this.source, this.begin, this.source.size - this.begin);
    return viewOf(this.#bytes);
  }

  async view(begin: number, bytes: number): Promise<DataView> {
    const at = begin - this.begin;
    return viewOf(at < 0 ? await readBytes(this.source, begin, bytes) : this.#bytes.subarray(at, at + bytes));
  }
}

/** The bytes of a stretch that is known to be there. */
export async function readBytes(source: ByteSource, begin: number, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const read = new Uint8Array(bytes);
  await source.read(read, begin);
  return read;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
/** Or the nearest number that JavaScript has, which is then larger than any file. */
const wide = (view: DataView, at: number): number => Number(view.getBigUint64(at, true));

/** The entries of an archive, in the order in which they lie; none overlaps another. Rejects with `invalid_file`. */
export async function readZip(source: ByteSource): Promise<readonly ZipEntry[]> {
  const tail = new Tail(source);
  const { begin, bytes, count } = await findDirectory(tail);
  const view = await tail.view(begin, bytes);
  const entries: Omit<ZipEntry, 'next'>[] = [];
  const names = new Set<string>();
  for (let at = 0; entries.length < count;) {
    const { entry, end } = readRecord(view, at, source);
    if (names.has(entry.name)) throw invalidFile(source, `it has two entries ${quoted(entry.name)}`);
    names.add(entry.name);
    entries.push(entry);
    at = end;
  }
  entries.sort((a, b) => a.header - b.header);
  return entries.map((entry, index) => {
    const next = entries[index + 1]?.header ?? begin;
    if (entry.header + entry.headerBytes + entry.bytes <= next) return { ...entry, next };
    throw invalidFile(source, `its entry ${quoted(entry.name)} reaches into what follows`);
  });
}

interface Directory {
  readonly begin: number;
  readonly bytes: number;
  readonly count: number;
}

async function findDirectory(tail: Tail): Promise<Directory> {
  const { source } = tail;
  const view = await tail.load();
  let at = view.byteLength - END_BYTES;
  const isEnd = (): boolean =>
    view.getUint32(at, true) === END && view.getUint16(at + 20, true) === view.byteLength - at - END_BYTES;
  while (at >= 0 && !isEnd()) --at;
  if (at < 0) throw invalidFile(source, `it has no directory, as zip archives have at their end; ${CUT_OFF}`);
  const isNarrow = at < LOCATOR_BYTES || view.getUint32(at - LOCATOR_BYTES, true) !== LOCATOR;
  const limit = tail.begin + at;
  const found = isNarrow
    ? {
        count: view.getUint16(at + 10, true),
        bytes: view.getUint32(at + 12, true),
        begin: view.getUint32(at + 16, true),
      }
    : await findWide(tail, wide(view, at - LOCATOR_BYTES + 8), limit - LOCATOR_BYTES);
  const { count, bytes, begin } = found;
  if (begin + bytes > limit || count * RECORD_BYTES > bytes) {
    throw invalidFile(source, `it is a zip archive whose directory is not where it should be; ${CUT_OFF}`);
  }
  if (bytes > MOST_DIRECTORY_BYTES || count > MOST_ENTRIES) {
    throw invalidFile(source, `it is a zip archive of ${count} entries, the limit is ${MOST_ENTRIES}`);
  }
  return found;
}

async function findWide(tail: Tail, begin: number, limit: number): Promise<Directory> {
  const end = begin + END_64_BYTES <= limit ? await tail.view(begin, END_64_BYTES) : null;
  if (end?.getUint32(0, true) !== END_64) {
    throw invalidFile(tail.source, `it is a zip archive whose directory is not where it should be; ${CUT_OFF}`);
  }
  return { count: wide(end, 32), bytes: wide(end, 40), begin: wide(end, 48) };
}

function readRecord(view: DataView, at: number, source: ByteSource): { entry: Omit<ZipEntry, 'next'>; end: number } {
  const left = view.byteLength - at - RECORD_BYTES;
  if (left < 0 || view.getUint32(at, true) !== RECORD) throw invalidFile(source, 'the directory of the zip is damaged');
  const [nameBytes, extraBytes] = [view.getUint16(at + 28, true), view.getUint16(at + 30, true)];
  const following = nameBytes + extraBytes + view.getUint16(at + 32, true);
  if (left < following) throw invalidFile(source, 'the directory of the zip is damaged');
  const nameAt = at + RECORD_BYTES;
  const name = decodeUtf8(new Uint8Array(view.buffer, view.byteOffset + nameAt, nameBytes));
  const numbers = [view.getUint32(at + 24, true), view.getUint32(at + 20, true), view.getUint32(at + 42, true)];
  const [bytes = -1, packed = -1, header = -1] = widened(numbers, view, nameAt + nameBytes, extraBytes);
  if (bytes < 0 || packed < 0 || header < 0) throw invalidFile(source, `its entry ${quoted(name)} has no sizes`);
  const flags = view.getUint16(at + 8, true);
  const isPacked = view.getUint16(at + 10, true) !== 0 || packed !== bytes;
  const entry = {
    ...{ name, bytes, header, headerBytes: LOCAL_HEADER_BYTES + nameBytes, hasDescriptor: (flags & 8) !== 0 },
    obstacle: (flags & 1) !== 0 ? 'encrypted' : isPacked ? 'compressed' : null,
  };
  return { entry, end: nameAt + following };
}

/** The numbers, with those that are elsewhere in their place; -1 for one that is nowhere. */
function widened(numbers: readonly number[], view: DataView, begin: number, bytes: number): readonly number[] {
  let [at, end] = [begin, begin];
  for (let field = begin; field + 4 <= begin + bytes; field = end) {
    end = field + 4 + view.getUint16(field + 2, true);
    if (view.getUint16(field, true) !== WIDE_NUMBERS) continue;
    at = field + 4;
    break;
  }
  end = Math.min(end, begin + bytes);
  return numbers.map((number) => {
    if (number !== ELSEWHERE) return number;
    if (at === begin || at + 8 > end) return -1;
    at += 8;
    return wide(view, at - 8);
  });
}

/**
 * Where the bytes of `entries` begin, in the same order. How long an entry's own header is only that says, and to read
 * thousands of them from a server takes minutes; but torch.save aligns what it writes and leaves no gaps, so that only one
 * place is possible. That is where they are when it is so for all of them, and the first one's header confirms it.
 */
export async function locate(source: ByteSource, entries: readonly ZipEntry[]): Promise<readonly number[]> {
  const [first] = await readBegins(source, entries.slice(0, 1));
  const likely = entries.map(likelyBegin);
  if (likely[0] === first && likely.every((begin) => begin !== null)) return likely;
  return readBegins(source, entries);
}

/** Where an entry begins if torch.save wrote it; null when it did not. */
function likelyBegin({ header, headerBytes, bytes, next, hasDescriptor }: ZipEntry): number | null {
  const begins = (hasDescriptor ? DESCRIPTOR_BYTES : [0]).map((behind) => next - behind - bytes);
  return begins.find((begin) => begin % ALIGNMENT === 0 && begin >= header + headerBytes) ?? null;
}

/** As the entries' own headers have it. */
async function readBegins(source: ByteSource, entries: readonly ZipEntry[]): Promise<readonly number[]> {
  const ranges = entries.map(({ header }) => ({ source, begin: header, bytes: LOCAL_HEADER_BYTES }));
  const headers = await readRanges(ranges);
  return entries.map(({ name, header, headerBytes, bytes, next }, index) => {
    const view = viewOf(headers[index] ?? new Uint8Array(LOCAL_HEADER_BYTES));
    const begin = header + LOCAL_HEADER_BYTES + view.getUint16(26, true) + view.getUint16(28, true);
    const isRight = begin >= header + headerBytes && begin + bytes <= next;
    if (isRight && view.getUint32(0, true) === LOCAL_HEADER) return begin;
    throw invalidFile(source, `the header of its entry ${quoted(name)} is damaged`);
  });
}
