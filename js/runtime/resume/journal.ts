import { Buffer } from 'node:buffer';
import { open, unlink, type FileHandle } from 'node:fs/promises';
import { fieldsOf } from '../../checks.js';
import type { PlannedFile } from '../../io/byte-io.js';
import { writeAll } from '../node/handle-sink.js';
import { inodeOf, isStillThere } from '../node/ownership.js';

/** Far more than the names of any model's tensors and what was measured of them take. */
const MAX_JOURNAL_BYTES = 2 ** 28;
/** Journals are read in pieces of this size. */
const PIECE_BYTES = 2 ** 20;
const LINE_FEED = 0x0a;

/** What an unfinished output is going to be. */
export interface JournalHead {
  readonly fingerprint: string;
  readonly files: readonly PlannedFile[];
}

/** What a journal file says. */
export interface JournalContents {
  readonly head: JournalHead;
  /** Each of them once. */
  readonly completed: ReadonlySet<string>;
  /** Length of what is whole: a process that is killed may leave a part of a line. */
  readonly bytes: number;
}

/** A list of the tensors that are complete in an unfinished output: a line of JSON for the output, and one for each. */
export class Journal {
  readonly #file: string;
  readonly #handle: FileHandle;
  readonly #inode: bigint;
  /** Makes durable what was written to the output so far. */
  readonly #sync: () => Promise<void>;
  #end: number;
  #waiting: string[] = [];
  /** What those who wait wait for. */
  #next: Promise<void> | null = null;
  /** Ends with the last run that was begun. */
  #running: Promise<void> = Promise.resolve();

  private constructor(file: string, handle: FileHandle, inode: bigint, end: number, sync: () => Promise<void>) {
    this.#file = file;
    this.#handle = handle;
    this.#inode = inode;
    this.#end = end;
    this.#sync = sync;
  }

  /** Goes on with the journal that was read. Closes `handle` when that fails. */
  static async continue(
    file: string,
    handle: FileHandle,
    { bytes }: JournalContents,
    sync: () => Promise<void>,
  ): Promise<Journal> {
    try {
      await handle.truncate(bytes);
      return new Journal(file, handle, await inodeOf(handle), bytes, sync);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Begins a journal; there must be none. Leaves none when that fails. */
  static async create(file: string, head: JournalHead, sync: () => Promise<void>): Promise<Journal> {
    const handle = await open(file, 'wx', 0o600);
    try {
      const journal = new Journal(file, handle, await inodeOf(handle), 0, sync);
      await journal.#append(`${JSON.stringify(head)}\n`);
      return journal;
    } catch (error) {
      await handle.close();
      await unlink(file);
      throw error;
    }
  }

  /** Notes that a tensor is complete. Notes that are made while the disk is busy are written together. */
  complete(tensor: string): Promise<void> {
    this.#waiting.push(tensor);
    if (this.#next === null) {
      this.#next = this.#running.then(() => this.#write());
      this.#running = this.#next.catch(() => undefined);
    }
    return this.#next;
  }

  /** Waits until everything that was noted is durable, or has failed to become so. */
  async settle(): Promise<void> {
    await this.#running;
  }

  async close(): Promise<void> {
    await this.settle();
    await this.#handle.close().catch(() => undefined);
  }

  async remove(): Promise<void> {
    await this.settle();
    // Asked while it is open: numbers are used again.
    const isOurs = await isStillThere(this.#file, this.#inode);
    await this.close();
    if (isOurs) await unlink(this.#file).catch(() => undefined);
  }

  async #write(): Promise<void> {
    const tensors = this.#waiting;
    this.#waiting = [];
    this.#next = null;
    // In this order: a journal that survives a crash of the system must not promise more than the output holds.
    await this.#sync();
    await this.#append(tensors.map((tensor) => `${JSON.stringify({ completed: tensor })}\n`).join(''));
  }

  async #append(text: string): Promise<void> {
    const bytes = new TextEncoder().encode(text);
    await writeAll(this.#handle, bytes, this.#end);
    this.#end += bytes.length;
    await this.#handle.datasync();
  }
}

/** Reads a journal as far as it is whole; null when it is none of ours. Throws when it is longer than any of ours. */
export async function readJournal(handle: FileHandle): Promise<JournalContents | null> {
  if ((await handle.stat()).size > MAX_JOURNAL_BYTES)
    throw new Error('the journal of the run before is larger than any of ours; delete it to begin anew');
  let head: JournalHead | null = null;
  const completed = new Set<string>();
  let bytes = 0;
  for await (const line of linesOf(handle)) {
    const value = parseLine(line);
    if (head === null) {
      head = parseHead(value);
      if (head === null) return null;
    } else {
      const { completed: tensor } = fieldsOf(value);
      if (typeof tensor !== 'string') break;
      completed.add(tensor);
    }
    bytes += line.length + 1;
  }
  return head === null ? null : { head, completed, bytes };
}

/** The lines of a file that end with a line feed: what follows the last one was being written. */
async function* linesOf(handle: FileHandle): AsyncGenerator<Buffer> {
  let pieces: Buffer[] = [];
  for (let position = 0; ;) {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(PIECE_BYTES), 0, PIECE_BYTES, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    let begin = 0;
    for (let end = buffer.indexOf(LINE_FEED); end >= 0 && end < bytesRead; end = buffer.indexOf(LINE_FEED, begin)) {
      yield Buffer.concat([...pieces, buffer.subarray(begin, end)]);
      pieces = [];
      begin = end + 1;
    }
    pieces.push(buffer.subarray(begin, bytesRead));
  }
}

function parseLine(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString());
  } catch {
    return null;
  }
}

function parseHead(value: unknown): JournalHead | null {
  const { fingerprint, files } = fieldsOf(value);
  if (typeof fingerprint !== 'string' || !Array.isArray(files)) return null;
  const planned = files.flatMap((file: unknown) => {
    const { name, bytes } = fieldsOf(file);
    return typeof name === 'string' && typeof bytes === 'number' ? [{ name, bytes }] : [];
  });
  return planned.length === files.length ? { fingerprint, files: planned } : null;
}
