import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  linkSync,
  openSync,
  readSync,
  renameSync,
  writeSync,
  type Stats,
} from 'node:fs';
import { codeOf } from '../failures.js';
import { isOfThisPlace, isRunning, ownIdentity, parseIdentity, shortHash } from './process-identity.js';
import { forget, remember, removeQuietly } from '../resume/unfinished.js';

/** Tries to get a lock that others take and leave meanwhile. */
const ATTEMPTS = 5;

/** More than any lock says. */
const MOST_BYTES = 4096;

/** What file systems without hard links say when they are asked for one. */
const LINKLESS: readonly unknown[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EINVAL'];

/** A lock file as it was when it was looked at. */
interface Found {
  readonly text: string;
  readonly inode: number;
}

/**
 * A file that at most one process has at a time; locks of processes that have ended do not count. It gets its name with
 * all of its text in it. Who replaces the lock of a process that has ended needs the right to do so, which is a lock of
 * its own for each such file: nobody removes another one than the one that was judged.
 */
export class FileLock {
  /** What a file of ours looks like in this folder. */
  readonly about: Stats;
  readonly #file: string;
  readonly #text: string;

  private constructor(file: string, text: string, about: Stats) {
    this.#file = file;
    this.#text = text;
    this.about = about;
    remember(file);
  }

  /** Takes the lock. Throws when a running process, this one included, has it, or one of which nobody here can tell. */
  static take(file: string): FileLock {
    const own = `${file}-${randomBytes(6).toString('hex')}`;
    const text = JSON.stringify({ ...ownIdentity(), token: randomBytes(8).toString('hex') });
    try {
      const about = writeNew(own, text);
      for (let attempt = 1; attempt <= ATTEMPTS; ++attempt) {
        const given = giveName(own, about, file, text);
        if (given !== null) return new FileLock(file, text, given);
        const found = look(file);
        if (found === null) continue;
        checkEnded(file, found);
        if (FileLock.#replace(file, found, own)) return new FileLock(file, text, about);
      }
    } finally {
      removeQuietly(own);
    }
    throw new Error(`the lock ${file} cannot be taken; delete it if no other process writes the file`);
  }

  /** Never throws. */
  release(): void {
    forget(this.#file);
    try {
      // Not another one, for which somebody has deleted ours.
      if (look(this.#file)?.text === this.#text) removeQuietly(this.#file);
    } catch {
      // What cannot be looked at is not ours.
    }
  }

  /** Puts the file `own` in the place of a lock, unless that has changed since it was looked at. */
  static #replace(file: string, found: Found, own: string): boolean {
    const right = FileLock.take(`${file}-${shortHash(`${found.inode} ${found.text}`)}`);
    try {
      const now = look(file);
      if (now?.inode !== found.inode || now.text !== found.text) return false;
      renameSync(own, file);
      return true;
    } finally {
      right.release();
    }
  }
}

/** Throws unless the process that has the lock has ended. What says nothing was left by a crash of the system. */
function checkEnded(file: string, { text }: Found): void {
  const holder = parseIdentity(parse(text));
  if (holder === null) return;
  if (!isOfThisPlace(holder)) {
    const where = 'of another container, machine or start of the system';
    throw new Error(`process ${holder.pid} ${where} has left the lock ${file}; delete it if that process has ended`);
  }
  if (isRunning(holder)) throw new Error(`process ${holder.pid} is writing it; wait until that has ended`);
}

/** Gives the file `own` another name, if there is none such; null if there is. */
function giveName(own: string, about: Stats, file: string, text: string): Stats | null {
  try {
    linkSync(own, file);
    return about;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return null;
    if (!LINKLESS.includes(codeOf(error))) throw error;
  }
  try {
    const given = writeNew(file, text);
    // Who took the empty file for a lock that its owner left has replaced it.
    return look(file)?.text === text ? given : null;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return null;
    throw error;
  }
}

function writeNew(file: string, text: string): Stats {
  const descriptor = openSync(file, 'wx', 0o644);
  try {
    writeSync(descriptor, text);
    return fstatSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** What is there; locks are never followed elsewhere, and never waited for. */
function look(file: string): Found | null {
  let descriptor: number;
  try {
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
  try {
    const about = fstatSync(descriptor);
    if (!about.isFile()) throw new Error(`the lock ${file} is not a regular file; delete it`);
    const into = Buffer.alloc(MOST_BYTES);
    return { text: into.toString('utf8', 0, readSync(descriptor, into)), inode: about.ino };
  } finally {
    closeSync(descriptor);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
