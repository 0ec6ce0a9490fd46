import type { QuantizeError } from '../../errors.js';
import { open, rename, unlink, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import type { ByteWriter } from '../../io/byte-io.js';
import { unwritable, writeFailure } from '../failures.js';
import { writeAll } from '../node/handle-sink.js';
import type { Target } from '../node/target.js';
import { inodeOf, isStillThere } from '../node/ownership.js';
import { partialName } from '../node/partial-files.js';
import { forget } from './unfinished.js';
import { Writes } from '../sinks/writes.js';

/** So much is left to the system before it is asked to begin writing it to the disk, while more is on its way. */
const WRITEBACK_BYTES = 64 * 2 ** 20;

/** Nobody else reads an unfinished file, or writes to it. */
const OWN_MODE = 0o600;
const PERMISSIONS = 0o777;

interface About {
  readonly mode: number;
  readonly inode: bigint;
}

/** A file that is written beside its final name and renamed when it is complete. */
export class UnfinishedFile implements ByteWriter {
  readonly name: string;
  readonly target: string;
  readonly temporary: string;
  /** Permissions of the finished file. */
  readonly #mode: number;
  readonly #writes: Writes;
  readonly #inode: bigint;
  #handle: FileHandle | null;
  #unsyncedBytes = 0;
  #writeback: Promise<void> | null = null;
  /** The system tells a failure to write back only once. */
  #failure: QuantizeError | null = null;

  private constructor({ name, path: target }: Target, temporary: string, handle: FileHandle, about: About) {
    this.name = name;
    this.target = target;
    this.temporary = temporary;
    this.#mode = about.mode;
    this.#inode = about.inode;
    this.#writes = new Writes(name);
    this.#handle = handle;
  }

  /** The file for `target` that `handle` has opened at `temporary`; `mode` are its permissions when it is finished. */
  static async of(target: Target, temporary: string, handle: FileHandle, mode: number): Promise<UnfinishedFile> {
    return new UnfinishedFile(target, temporary, handle, { mode, inode: await inodeOf(handle) });
  }

  reserve(): Promise<void> {
    return Promise.resolve();
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    const handle = this.#open();
    try {
      await this.#writes.run(() => writeAll(handle, bytes, position));
    } catch (error) {
      throw writeFailure(this.name, error);
    }
    if (this.#failure !== null) throw this.#failure;
    this.#unsyncedBytes += bytes.length;
    if (this.#unsyncedBytes >= WRITEBACK_BYTES) this.#writeback ??= this.#writeBack(handle);
  }

  /** Makes what was written durable. */
  async sync(): Promise<void> {
    await this.#writeback;
    if (this.#failure !== null) throw this.#failure;
    try {
      await this.#open().datasync();
    } catch (error) {
      throw writeFailure(this.name, error);
    }
  }

  /** The same for all that says how long the file is and where it lies. Later writes are refused. */
  async finish(): Promise<void> {
    const handle = this.#open();
    await this.#writes.end();
    await this.#writeback;
    if (this.#failure !== null) throw this.#failure;
    try {
      await handle.sync();
      await this.#checkStillThere();
    } catch (error) {
      throw writeFailure(this.name, error);
    }
  }

  /** Gives the file its permissions and its name, and closes it. */
  async reveal(): Promise<void> {
    const handle = this.#open();
    try {
      // Some file systems refuse to be asked, and have one mode for all files.
      if (((await handle.stat()).mode & PERMISSIONS) !== this.#mode) await handle.chmod(this.#mode);
      await this.#checkStillThere();
      this.#handle = null;
      await handle.close();
      await rename(this.temporary, this.target);
    } catch (error) {
      throw writeFailure(this.name, error);
    }
    forget(this.temporary);
  }

  /** Waits for the writes that are under way; later ones are refused. */
  async close(): Promise<void> {
    await this.#writes.end();
    await this.#writeback;
    const handle = this.#handle;
    this.#handle = null;
    await handle?.close().catch(() => undefined);
  }

  async remove(): Promise<void> {
    // Asked while it is open: numbers are used again.
    const isOurs = await isStillThere(this.temporary, this.#inode);
    await this.close();
    if (isOurs) await unlink(this.temporary).catch(() => undefined);
    forget(this.temporary);
  }

  /** Never rejects: what goes wrong is told by the next call. */
  async #writeBack(handle: FileHandle): Promise<void> {
    this.#unsyncedBytes = 0;
    try {
      await handle.datasync();
    } catch (error) {
      this.#failure ??= writeFailure(this.name, error);
    } finally {
      this.#writeback = null;
    }
  }

  async #checkStillThere(): Promise<void> {
    if (await isStillThere(this.temporary, this.#inode)) return;
    throw new Error(`another process has deleted or replaced ${this.temporary}; start again when it has ended`);
  }

  #open(): FileHandle {
    if (this.#handle === null) throw unwritable(this.name, 'it is closed');
    return this.#handle;
  }
}

/** Makes the file `temporary`, which must not be there, for `target`. */
export async function createUnfinished(target: Target, temporary: string): Promise<UnfinishedFile> {
  const mode = await modeFor(target);
  const handle = await open(temporary, 'wx', OWN_MODE);
  try {
    await handle.truncate(target.bytes);
    return await UnfinishedFile.of(target, temporary, handle, mode);
  } catch (error) {
    await handle.close();
    await unlink(temporary);
    throw error;
  }
}

/** Permissions of the finished file: of the one that is there, else those that new files get in that folder. */
export async function modeFor({ path: target, mode }: Target): Promise<number> {
  if (mode !== null) return mode;
  const trial = path.join(path.dirname(target), partialName(target));
  const handle = await open(trial, 'wx');
  try {
    return (await handle.stat()).mode & PERMISSIONS;
  } finally {
    await handle.close();
    await unlink(trial);
  }
}
