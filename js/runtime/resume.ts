import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { constants, open, unlink } from 'node:fs/promises';
import path from 'node:path';
import { QuantizeError, type QuantizeErrorCode } from '../errors.js';
import { FileLock } from './file-lock.js';
import { Journal, readJournal, type JournalContents } from './journal.js';
import { checkTargetsRoom, type Target } from './node-target.js';
import { createUnfinished, UnfinishedFile } from './unfinished-file.js';

/** Failures that another run with the same input and options may be spared. */
const PASSING: readonly QuantizeErrorCode[] = [
  ...(['aborted', 'disposed', 'unreadable_input', 'missing_shard'] as const),
  ...(['unwritable_output', 'disk_full', 'out_of_memory'] as const),
];

/** Longest name that still has room for an ending: file systems allow 255 bytes. */
const MAX_NAME_BYTES = 200;

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

  constructor(completed: readonly string[], journal: Journal, lock: FileLock) {
    this.completed = new Set(completed);
    this.#journal = journal;
    this.#lock = lock;
    this.#hasProgress = completed.length > 0;
  }

  async complete(tensor: string): Promise<void> {
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
    return this.#hasProgress && cause instanceof QuantizeError && PASSING.includes(cause.code);
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
  try {
    const head = { fingerprint, files: targets.map(({ path: file, bytes }) => ({ name: path.basename(file), bytes })) };
    const file = besides(main, 'journal');
    const sync = async (): Promise<void> => {
      await Promise.all(files.map((one) => one.sync()));
    };
    const found = await readJournal(file);
    if (found !== null && JSON.stringify(found.head) === JSON.stringify(head) && (await reopen(targets, files))) {
      const journal = await Journal.continue(file, found, sync);
      return { files, resumption: new Resumption(found.completed, journal, lock) };
    }
    await removeOld(main, targets, found);
    await checkTargetsRoom(targets);
    for (const target of targets) files.push(await createUnfinished(target, besides(target.path, 'resume')));
    return { files, resumption: new Resumption([], await Journal.create(file, head, sync), lock) };
  } catch (error) {
    await Promise.all(files.map((file) => file.close()));
    lock.release();
    throw error;
  }
}

/** Opens the unfinished files of the run before; returns false, with none of them open, when they are not as they were. */
async function reopen(targets: readonly Target[], files: UnfinishedFile[]): Promise<boolean> {
  for (const target of targets) {
    const temporary = besides(target.path, 'resume');
    const handle = await open(temporary, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
      () => null,
    );
    if (handle !== null) files.push(new UnfinishedFile(target.name, target.path, temporary, handle));
    const about = await handle?.stat();
    if (about?.isFile() !== true || about.size !== target.bytes) {
      await Promise.all(files.splice(0).map((file) => file.close()));
      return false;
    }
  }
  return true;
}

/** Removes what another run left: the journal first, so that it never speaks of files that are not its own. */
async function removeOld(main: string, targets: readonly Target[], found: JournalContents | null): Promise<void> {
  await unlink(besides(main, 'journal')).catch(() => undefined);
  const listed = (found?.head.files ?? []).map(({ name }) => path.join(path.dirname(main), path.basename(name)));
  for (const file of new Set([...listed, ...targets.map((target) => target.path)])) {
    await unlink(besides(file, 'resume')).catch(() => undefined);
  }
}
