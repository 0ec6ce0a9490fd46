import { Buffer } from 'node:buffer';
import { constants, open, unlink, type FileHandle } from 'node:fs/promises';
import { fieldsOf } from '../checks.js';
import type { PlannedFile } from '../files/io.js';
import { codeOf } from './failures.js';
import { writeAll } from './node-handle-sink.js';

/** Far more than the names of any model's tensors take. */
const MAX_JOURNAL_BYTES = 67_108_864;

/** What an unfinished output is going to be. */
export interface JournalHead {
  readonly fingerprint: string;
  readonly files: readonly PlannedFile[];
}

/** What a journal file says. */
export interface JournalContents {
  readonly head: JournalHead;
  readonly completed: readonly string[];
  /** Length of what is whole: a process that is killed may leave a part of a line. */
  readonly bytes: number;
}

/** A list of the tensors that are complete in an unfinished output: a line of JSON for the output, and one for each. */
export class Journal {
  readonly #file: string;
  readonly #handle: FileHandle;
  /** Makes durable what was written to the output so far. */
  readonly #sync: () => Promise<void>;
  #end: number;
  #waiting: string[] = [];
  /** What those who wait wait for. */
  #next: Promise<void> | null = null;
  /** Ends with the last run that was begun. */
  #running: Promise<void> = Promise.resolve();

  private constructor(file: string, handle: FileHandle, end: number, sync: () => Promise<void>) {
    this.#file = file;
    this.#handle = handle;
    this.#end = end;
    this.#sync = sync;
  }

  /** Goes on with the journal that was read. */
  static async continue(file: string, { bytes }: JournalContents, sync: () => Promise<void>): Promise<Journal> {
    const handle = await open(file, constants.O_RDWR | constants.O_NOFOLLOW);
    await handle.truncate(bytes);
    return new Journal(file, handle, bytes, sync);
  }

  /** Begins a journal; there must be none. */
  static async create(file: string, head: JournalHead, sync: () => Promise<void>): Promise<Journal> {
    const journal = new Journal(file, await open(file, 'wx'), 0, sync);
    await journal.#append(`${JSON.stringify(head)}\n`);
    return journal;
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
    await this.close();
    await unlink(this.#file).catch(() => undefined);
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

/** Reads a journal as far as it is whole; null when there is none, or none of ours. */
export async function readJournal(file: string): Promise<JournalContents | null> {
  const text = await readSmall(file);
  const lines = text?.split('\n') ?? [];
  // What follows the last line feed is empty, or a line that was being written.
  lines.pop();
  const [first, ...rest] = lines;
  const head = first === undefined ? null : parseHead(parseLine(first));
  if (first === undefined || head === null) return null;
  const completed: string[] = [];
  let bytes = Buffer.byteLength(first) + 1;
  for (const line of rest) {
    const { completed: tensor } = fieldsOf(parseLine(line));
    if (typeof tensor !== 'string') break;
    completed.push(tensor);
    bytes += Buffer.byteLength(line) + 1;
  }
  return { head, completed, bytes };
}

async function readSmall(file: string): Promise<string | null> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (error: unknown) => {
      if (codeOf(error) === 'ENOENT') return null;
      throw error;
    },
  );
  if (handle === null) return null;
  try {
    const about = await handle.stat();
    return about.isFile() && about.size <= MAX_JOURNAL_BYTES ? await handle.readFile('utf8') : null;
  } finally {
    await handle.close();
  }
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
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
