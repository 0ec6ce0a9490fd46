import type { QuantizeError } from '../errors.js';
import { open, rename, unlink, type FileHandle } from 'node:fs/promises';
import type { ByteWriter } from '../files/io.js';
import { unwritable, writeFailure } from './failures.js';
import { writeAll } from './node-handle-sink.js';
import type { Target } from './node-target.js';
import { forget } from './unfinished.js';

/** So much is left to the system before it is asked to begin writing it to the disk, while more is on its way. */
const WRITEBACK_BYTES = 64 * 2 ** 20;

/** A file that is written beside its final name and renamed when it is complete. */
export class UnfinishedFile implements ByteWriter {
  readonly name: string;
  readonly target: string;
  readonly temporary: string;
  #handle: FileHandle | null;
  #unsyncedBytes = 0;
  #writeback: Promise<void> | null = null;
  /** The system tells a failure to write back only once. */
  #failure: QuantizeError | null = null;

  constructor(name: string, target: string, temporary: string, handle: FileHandle) {
    this.name = name;
    this.target = target;
    this.temporary = temporary;
    this.#handle = handle;
  }

  reserve(): Promise<void> {
    return Promise.resolve();
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    const handle = this.#open();
    try {
      await writeAll(handle, bytes, position);
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

  /** The same, and closes the file. */
  async finish(): Promise<void> {
    const handle = this.#open();
    await this.#writeback;
    if (this.#failure !== null) throw this.#failure;
    try {
      await handle.sync();
      this.#handle = null;
      await handle.close();
    } catch (error) {
      throw writeFailure(this.name, error);
    }
  }

  /** Gives the file its name. */
  async reveal(): Promise<void> {
    try {
      await rename(this.temporary, this.target);
    } catch (error) {
      throw writeFailure(this.name, error);
    }
    forget(this.temporary);
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = null;
    await this.#writeback;
    await handle?.close().catch(() => undefined);
  }

  async remove(): Promise<void> {
    await this.close();
    await unlink(this.temporary).catch(() => undefined);
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

  #open(): FileHandle {
    if (this.#handle === null) throw unwritable(this.name, 'it is closed');
    return this.#handle;
  }
}

/** Makes the file `temporary`, which must not be there, for `target`. */
export async function createUnfinished(
  { name, path, mode, bytes }: Target,
  temporary: string,
): Promise<UnfinishedFile> {
  const handle = await open(temporary, 'wx');
  const file = new UnfinishedFile(name, path, temporary, handle);
  try {
    if (mode !== null) await handle.chmod(mode);
    await handle.truncate(bytes);
    return file;
  } catch (error) {
    await file.remove();
    throw error;
  }
}
