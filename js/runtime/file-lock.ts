import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { fieldsOf } from '../checks.js';
import { codeOf } from './failures.js';
import { forget, remember } from './unfinished.js';

/** Tries to take over locks of processes that have ended; more are needed only when others take over, too. */
const ATTEMPTS = 5;

/** What a lock file says of who holds it. */
interface Holder {
  readonly pid: number;
  /** When the process started, as the system counts: process numbers are used again. */
  readonly started: string | null;
}

/** A file that at most one process has at a time; locks of processes that have ended do not count. */
export class FileLock {
  readonly #file: string;

  private constructor(file: string) {
    this.#file = file;
  }

  /** Takes the lock. Throws when a running process, this one included, has it. */
  static take(file: string): FileLock {
    const text = JSON.stringify({
      pid: process.pid,
      started: startOf(process.pid),
      token: randomBytes(8).toString('hex'),
    });
    for (let attempt = 1; attempt <= ATTEMPTS; ++attempt) {
      if (create(file, text)) {
        remember(file);
        return new FileLock(file);
      }
      const found = readText(file);
      const holder = parse(found);
      if (holder !== null && isRunning(holder)) {
        throw new Error(`process ${holder.pid} is writing it; wait until that has ended`);
      }
      if (found !== null) takeAway(file, found);
    }
    throw new Error(`the lock ${file} cannot be taken; delete it if no other process writes the file`);
  }

  release(): void {
    forget(this.#file);
    unlinkQuietly(this.#file);
  }
}

/** Makes the lock file unless there is one. */
function create(file: string, text: string): boolean {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'wx');
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
  try {
    writeSync(descriptor, text);
  } finally {
    closeSync(descriptor);
  }
  // Who took the empty file for a lock that its owner left has taken it away.
  return readText(file) === text;
}

/** Removes a lock that says `text`. If another process has replaced it in the meantime, that one's is put back. */
function takeAway(file: string, text: string): void {
  const aside = `${file}-${process.pid}`;
  try {
    renameSync(file, aside);
    if (readText(aside) === text) unlinkSync(aside);
    else renameSync(aside, file);
  } catch {
    // Another process was faster.
  }
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

function parse(text: string | null): Holder | null {
  try {
    const { pid, started } = fieldsOf(JSON.parse(text ?? ''));
    if (typeof pid !== 'number' || !Number.isInteger(pid) || pid < 1) return null;
    return { pid, started: typeof started === 'string' ? started : null };
  } catch {
    return null;
  }
}

function isRunning({ pid, started }: Holder): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it runs, as someone else.
    if (codeOf(error) !== 'EPERM') return false;
  }
  return started === null || startOf(pid) === started;
}

/** When a process started; null where the system does not tell. */
function startOf(pid: number): string | null {
  const text = readText(`/proc/${pid}/stat`);
  // The program's name, in parentheses, may hold anything; the start is the 20th number after it.
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null;
}

function unlinkQuietly(file: string): void {
  try {
    unlinkSync(file);
  } catch {
    // It is gone already.
  }
}
