import { randomBytes } from 'node:crypto';
import { unlinkSync } from 'node:fs';
import {
  access,
  constants,
  open,
  readlink,
  realpath,
  rename,
  stat,
  statfs,
  unlink,
  type FileHandle,
} from 'node:fs/promises';
import path from 'node:path';
import { fieldsOf } from '../checks.js';
import { QuantizeError, type QuantizeErrorCode } from '../errors.js';
import { endpointName } from '../endpoints.js';
import type { ByteSink, ByteSource, ByteWriter, FileAccess } from '../files/io.js';

/** What system errors mean, in words that continue "Cannot read x: ". */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EBUSY: 'it is in use',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file would be larger than is allowed here',
  EIO: 'the device reports an error',
  EISDIR: 'it is a folder',
  ELOOP: 'too many symbolic links',
  EMFILE: 'too many open files',
  ENAMETOOLONG: 'the name is too long',
  ENOENT: 'there is no such file or folder',
  ENOSPC: 'the disk is full',
  ENOTDIR: 'a part of the path is not a folder',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
};

const FULL: readonly unknown[] = ['ENOSPC', 'EDQUOT', 'EFBIG'];

/** Not by `instanceof`: in a vm context, system errors are of another realm. */
const codeOf = (error: unknown): unknown => fieldsOf(error)['code'];

function failure(code: QuantizeErrorCode, file: string, cause: unknown): QuantizeError {
  const reason = codeOf(cause);
  const known = typeof reason === 'string' ? REASONS[reason] : undefined;
  const { message } = fieldsOf(cause);
  return new QuantizeError(code, { file, detail: known ?? String(message ?? cause), cause });
}

const writeFailure = (file: string, cause: unknown): QuantizeError =>
  failure(FULL.includes(codeOf(cause)) ? 'disk_full' : 'unwritable_output', file, cause);

/** Which file this is, whatever path led to it. */
interface Identity {
  readonly dev: bigint;
  readonly ino: bigint;
}

/** A regular file, opened for reading. */
class NodeSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly identity: Identity;
  readonly #handle: FileHandle;

  constructor(name: string, size: number, identity: Identity, handle: FileHandle) {
    this.name = name;
    this.size = size;
    this.identity = identity;
    this.#handle = handle;
  }

  async read(into: Uint8Array, position: number): Promise<void> {
    try {
      for (let done = 0; done < into.length;) {
        const { bytesRead } = await this.#handle.read(into, done, into.length - done, position + done);
        if (bytesRead === 0) throw new Error('it ends early; is it being written?');
        done += bytesRead;
      }
    } catch (error) {
      throw failure('unreadable_input', this.name, error);
    }
  }

  sibling(name: string): Promise<ByteSource> {
    return openNodeSource(path.join(path.dirname(this.name), name), 'missing_shard');
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** `missing` is the code for a file that is not there. */
async function openNodeSource(name: string, missing: QuantizeErrorCode): Promise<NodeSource> {
  let handle: FileHandle | null = null;
  try {
    // Without O_NONBLOCK, opening a pipe would wait for someone to write into it.
    handle = await open(name, constants.O_RDONLY | constants.O_NONBLOCK);
    const about = await handle.stat({ bigint: true });
    if (about.isDirectory()) throw new Error('it is a folder');
    if (!about.isFile()) throw new Error('it is not a regular file');
    return new NodeSource(name, Number(about.size), about, handle);
  } catch (error) {
    await handle?.close();
    throw failure(codeOf(error) === 'ENOENT' ? missing : 'unreadable_input', name, error);
  }
}

/** Unfinished outputs, removed when the process ends with them. */
const unfinished = new Set<string>();

/** For who ends the process in a way that nobody is told of. */
export function removeUnfinished(): void {
  for (const name of unfinished) {
    try {
      unlinkSync(name);
    } catch {
      // It is gone already.
    }
  }
}

function remember(temporary: string): void {
  if (unfinished.size === 0) process.on('exit', removeUnfinished);
  unfinished.add(temporary);
}

function forget(temporary: string): void {
  unfinished.delete(temporary);
  if (unfinished.size === 0) process.off('exit', removeUnfinished);
}

/** A file that is written beside its final name and renamed when it is complete. */
class NodeSink implements ByteSink {
  readonly name: string;
  readonly sequential = false;
  readonly files: readonly ByteWriter[] = [this];
  readonly completed: ReadonlySet<string> = new Set();
  readonly #target: string;
  readonly #temporary: string;
  #handle: FileHandle | null;

  constructor(name: string, target: string, temporary: string, handle: FileHandle) {
    this.name = name;
    this.#target = target;
    this.#temporary = temporary;
    this.#handle = handle;
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    const handle = this.#open();
    try {
      for (let done = 0; done < bytes.length;) {
        done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
      }
    } catch (error) {
      throw writeFailure(this.name, error);
    }
  }

  complete(): Promise<void> {
    return Promise.resolve();
  }

  stop(): void {
    // Nothing waits for other bytes.
  }

  async commit(proceed: () => void): Promise<void> {
    const handle = this.#open();
    try {
      proceed();
      await handle.sync();
      this.#handle = null;
      await handle.close();
      proceed();
      await rename(this.#temporary, this.#target);
      forget(this.#temporary);
    } catch (error) {
      throw error instanceof QuantizeError ? error : writeFailure(this.name, error);
    }
    await syncFolder(path.dirname(this.#target));
  }

  async discard(): Promise<void> {
    const handle = this.#handle;
    this.#handle = null;
    await handle?.close().catch(() => undefined);
    if (!unfinished.has(this.#temporary)) return;
    await unlink(this.#temporary).catch(() => undefined);
    forget(this.#temporary);
  }

  #open(): FileHandle {
    if (this.#handle === null)
      throw new QuantizeError('unwritable_output', { file: this.name, detail: 'it is closed' });
    return this.#handle;
  }
}

/** Makes a rename durable. Some systems cannot open folders; there the rename is as durable as they make it. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => null);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

/** What a rename has to replace. */
interface Target {
  /** Links are followed. */
  readonly path: string;
  /** Permissions of the file that is there; null when there is none. */
  readonly mode: number | null;
}

const PERMISSIONS = 0o777n;

/** Where a file called `name` would be made: links that lead to nothing yet are followed, which `realpath` refuses. */
async function newPath(name: string): Promise<string> {
  const folder = await realpath(path.dirname(name));
  const link = await readlink(name).catch(() => null);
  if (link === null) return path.join(folder, path.basename(name));
  // Not joined: `..` behind a link to a folder means the parent of what it leads to.
  return newPath(path.isAbsolute(link) ? link : `${folder}${path.sep}${link}`);
}

async function checkTarget(name: string, inputs: readonly ByteSource[]): Promise<Target> {
  const about = await stat(name, { bigint: true }).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  });
  if (about === null) return { path: await newPath(name), mode: null };
  if (about.isDirectory()) throw new Error('it is a folder');
  if (!about.isFile()) throw new Error('it is not a regular file');
  const isInput = ({ identity }: NodeSource): boolean => identity.dev === about.dev && identity.ino === about.ino;
  if (inputs.some((input) => input instanceof NodeSource && isInput(input))) throw new Error('it is the input');
  await access(name, constants.W_OK);
  return { path: await realpath(name), mode: Number(about.mode & PERMISSIONS) };
}

async function checkRoom(folder: string, bytes: number, name: string): Promise<void> {
  const { bavail, blocks, bsize } = await statfs(folder);
  const free = bavail * bsize;
  // Some network file systems and some in user space do not say how much is free: all numbers are 0, or all but the size.
  if (bsize === 0 || blocks === 0 || (bavail === 0 && bytes === 0) || bytes <= free) return;
  throw new QuantizeError('disk_full', { file: name, detail: `it needs ${bytes} bytes, but only ${free} are free` });
}

async function openNodeSink(name: string, bytes: number, inputs: readonly ByteSource[]): Promise<ByteSink> {
  let temporary: string | null = null;
  let handle: FileHandle | null = null;
  try {
    const target = await checkTarget(name, inputs);
    const folder = path.dirname(target.path);
    await checkRoom(folder, bytes, name);
    temporary = path.join(folder, `.arrowquant-${process.pid}-${randomBytes(6).toString('hex')}.partial`);
    handle = await open(temporary, 'wx');
    remember(temporary);
    if (target.mode !== null) await handle.chmod(target.mode);
    await handle.truncate(bytes);
    return new NodeSink(name, target.path, temporary, handle);
  } catch (error) {
    if (temporary !== null && handle !== null) await new NodeSink(name, name, temporary, handle).discard();
    throw error instanceof QuantizeError ? error : writeFailure(name, error);
  }
}

/** Files of the local file system, by path. */
export const nodeFiles: FileAccess = {
  openSource: (source) => openNodeSource(endpointName(source), 'unreadable_input'),
  openSink: (sink, { bytes, inputs }) => openNodeSink(endpointName(sink), bytes, inputs),
};
