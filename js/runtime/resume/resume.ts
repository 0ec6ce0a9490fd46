import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import { constants, lstat, open, unlink, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { QuantizeError, type QuantizeErrorCode } from '../../errors.js';
import { codeOf, isOfTwoVersions } from '../failures.js';
import { FileLock } from '../node/file-lock.js';
import { Journal, readJournal, type JournalContents } from './journal.js';
import { checkTargetsRoom, type Target } from '../node/target.js';
import { obstacleToTrust } from '../node/ownership.js';
import { createUnfinished, modeFor, UnfinishedFile } from './unfinished-file.js';

/** Failures that another run with the same input and options may be spared. */
const PASSING: readonly QuantizeErrorCode[] = [
  ...(['aborted', 'disposed', 'unreadable_input', 'missing_shard'] as const),
  // The last one is also that of a worker thread that was lost.
  ...(['unwritable_output', 'disk_full', 'out_of_memory', 'internal'] as const),
];

/** Longest name that still has room for an ending: file systems allow 255 bytes. */
const MAX_NAME_BYTES = 200;

/** Opens what is there, but follows no link and waits for no pipe. */
const EXISTING = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** The unfinished file and the others that go with the output at `target`, all beside it. */
export function besides(target: string, ending: 'resume' | 'journal' | 'lock'): string {
  const name = path.basename(target);
  const isShort = Buffer.byteLength(name) <= MAX_NAME_BYTES;
  const stem = isShort ? name : createHash('sha256').update(name).digest('hex');
  return path.join(path.dirname(target), `.${stem}.arrowquant-${ending}`);
}

/** What is kept of an unfinished output for a later run, and the lock that keeps other processes away. */
export class Resumption {
  readonly completed: ReadonlySet<string>;
  readonly #journal: Journal;
  readonly #lock: FileLock;
  #hasProgress: boolean;

  constructor(completed: ReadonlySet<string>, journal: Journal, lock: FileLock) {
    this.completed = completed;
    this.#journal = journal;
    this.#lock = lock;
    this.#hasProgress = completed.size > 0;
  }

  async complete(tensor: string): Promise<void> {
    // What the run before has noted need not be noted again.
    if (this.completed.has(tensor)) return;
    await this.#journal.complete(tensor);
    this.#hasProgress = true;
  }

  /** Waits until all that was noted is durable. */
  settle(): Promise<void> {
    return this.#journal.settle();
  }

  /** Whether a run after this one, which failed because of `cause`, would be spared something. Waits for the notes. */
  async isWorthKeeping(cause: unknown): Promise<boolean> {
    await this.settle();
    if (!this.#hasProgress || !(cause instanceof QuantizeError)) return false;
    return PASSING.includes(cause.code) && !isOfTwoVersions(cause);
  }

  async keep(): Promise<void> {
    await this.#journal.close();
    this.#lock.release();
  }

  async remove(): Promise<void> {
    await this.#journal.remove();
    this.#lock.release();
  }
}

/** Opens the output at `targets` again if `fingerprint` and sizes are those of the run before, else begins it. */
export async function openResumable(
  main: string,
  targets: readonly Target[],
  fingerprint: string,
): Promise<{ readonly files: readonly UnfinishedFile[]; readonly resumption: Resumption }> {
  const lock = FileLock.take(besides(main, 'lock'));
  const files: UnfinishedFile[] = [];
  let isNew = false;
  try {
    const head = { fingerprint, files: targets.map(({ path: file, bytes }) => ({ name: path.basename(file), bytes })) };
    const file = besides(main, 'journal');
    const sync = async (): Promise<void> => {
      await Promise.all(files.map((one) => one.sync()));
    };
    const old = await openOld(file, lock.about);
    const contents = old?.contents ?? null;
    if (old !== null && contents !== null && JSON.stringify(contents.head) === JSON.stringify(head)) {
      const { handle } = old;
      if (await closingUnless(handle, () => reopen(targets, files, lock.about))) {
        const journal = await Journal.continue(file, handle, contents, sync);
        return { files, resumption: new Resumption(contents.completed, journal, lock) };
      }
    } else await old?.handle.close();
    await removeOld(main, targets, contents, lock.about);
    await checkTargetsRoom(targets);
    isNew = true;
    for (const target of targets) files.push(await createUnfinished(target, besides(target.path, 'resume')));
    return { files, resumption: new Resumption(new Set(), await Journal.create(file, head, sync), lock) };
  } catch (error) {
    await Promise.all(files.map((file) => (isNew ? file.remove() : file.close())));
    lock.release();
    throw error;
  }
}

/**
 * After an output was written that nobody wanted to go on with: removes what an earlier run has left for that. It stays
 * where another process is at it, and where it is not ours.
 */
export async function removeLeftovers(main: string, targets: readonly Target[]): Promise<void> {
  const names = [besides(main, 'journal'), ...targets.map((target) => besides(target.path, 'resume'))];
  const found = await Promise.all(names.map((name) => lstat(name).catch(() => null)));
  if (found.every((about) => about === null)) return;
  let lock: FileLock | null = null;
  try {
    lock = FileLock.take(besides(main, 'lock'));
    const old = await openOld(besides(main, 'journal'), lock.about);
    await old?.handle.close();
    await removeOld(main, targets, old?.contents ?? null, lock.about);
  } catch {
    // The output is complete all the same.
  } finally {
    lock?.release();
  }
}

/** Opens the journal of the run before; null when there is none. Throws when it cannot be trusted or read. */
async function openOld(
  file: string,
  own: Stats,
): Promise<{ readonly handle: FileHandle; readonly contents: JournalContents | null } | null> {
  const handle = await open(file, EXISTING).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  });
  if (handle === null) return null;
  let contents: JournalContents | null = null;
  await closingUnless(handle, async () => {
    await checkTrusted(file, handle, own);
    contents = await readJournal(handle);
    return true;
  });
  return { handle, contents };
}

/** Gives what `holds` gives; closes the handle when that is false, or rejects. */
async function closingUnless(handle: FileHandle, holds: () => Promise<boolean>): Promise<boolean> {
  let held = false;
  try {
    held = await holds();
    return held;
  } finally {
    if (!held) await handle.close();
  }
}

/** Throws when someone else may have written what `file` holds. */
async function checkTrusted(file: string, handle: FileHandle, own: Stats): Promise<void> {
  const obstacle = obstacleToTrust(await handle.stat(), own);
  if (obstacle !== null) throw new Error(`${file} ${obstacle}, so it is not gone on with; delete it to begin anew`);
}

/** Opens the unfinished files of the run before; returns false, with none of them open, when they are not as they were. */
async function reopen(targets: readonly Target[], files: UnfinishedFile[], own: Stats): Promise<boolean> {
  for (const target of targets) {
    const temporary = besides(target.path, 'resume');
    const mode = await modeFor(target);
    const handle = await open(temporary, EXISTING).catch(() => null);
    if (handle !== null) {
      files.push(await UnfinishedFile.of(target, temporary, handle, mode));
      await checkTrusted(temporary, handle, own);
    }
    if ((await handle?.stat())?.size !== target.bytes) {
      await Promise.all(files.splice(0).map((file) => file.close()));
      return false;
    }
  }
  return true;
}

/**
 * Removes what another run left: the journal first, so that it never speaks of files that are not its own. Throws when some
 * of it is not ours.
 */
async function removeOld(
  main: string,
  targets: readonly Target[],
  found: JournalContents | null,
  own: Stats,
): Promise<void> {
  const listed = (found?.head.files ?? []).map(({ name }) => path.join(path.dirname(main), path.basename(name)));
  const outputs = new Set([...listed, ...targets.map((target) => target.path)]);
  for (const file of [besides(main, 'journal'), ...[...outputs].map((output) => besides(output, 'resume'))]) {
    const about = await lstat(file).catch(() => null);
    if (about === null) continue;
    if (about.uid !== own.uid) throw new Error(`${file} belongs to another user; delete it to begin anew`);
    await unlink(file);
  }
}
