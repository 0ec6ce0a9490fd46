import { constants, open, readdir, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { endpointName, type NodeFileHandle } from '../../endpoints.js';
import { QuantizeError } from '../../errors.js';
import type { ByteSource } from '../../io/byte-io.js';
import { changed, codeOf, failure, readFailure } from '../failures.js';

/** Which file this is, whatever path led to it. */
export interface Identity {
  readonly dev: bigint;
  readonly ino: bigint;
}

type Stats = Awaited<ReturnType<NodeFileHandle['stat']>>;

/** How much of a read is kept to tell later whether the file is still the same, and how many such samples there are. */
const SAMPLE_BYTES = 64;
const MAX_SAMPLES = 256;

interface Sample {
  readonly position: number;
  readonly bytes: Uint8Array;
}

/** A regular file, opened for reading. */
export class NodeSource implements ByteSource {
  readonly name: string;
  readonly fileName: string;
  readonly folderName: string;
  readonly size: number;
  readonly version: string;
  readonly changedAt: number;
  readonly identity: Identity;
  readonly #opened: Stats;
  readonly #handle: NodeFileHandle;
  /** The handle again when it is ours: whoever opened it closes it. */
  readonly #own: FileHandle | null;
  /** Of every read whose number is a multiple of the stride. */
  #samples: Sample[] = [];
  #stride = 1;
  #reads = 0;

  constructor(name: string, about: Stats, handle: NodeFileHandle, own: FileHandle | null) {
    this.name = name;
    this.fileName = own === null ? '' : path.basename(name);
    // Links keep the names that people have given them.
    this.folderName = own === null ? '' : path.basename(path.dirname(path.resolve(name)));
    this.size = Number(about.size);
    this.version = `${about.size} bytes of ${about.mtimeNs}`;
    this.changedAt = Number(about.mtimeNs) / 1e6;
    this.identity = about;
    this.#opened = about;
    this.#handle = handle;
    this.#own = own;
  }

  async read(into: Uint8Array, position: number): Promise<void> {
    await this.#fill(into, position);
    if (this.#reads++ % this.#stride !== 0) return;
    this.#samples.push({ position, bytes: Uint8Array.from(into.subarray(0, SAMPLE_BYTES)) });
    if (this.#samples.length < MAX_SAMPLES) return;
    this.#samples = this.#samples.filter((_, index) => index % 2 === 0);
    this.#stride *= 2;
  }

  async #fill(into: Uint8Array, position: number): Promise<void> {
    try {
      for (let done = 0; done < into.length;) {
        const { bytesRead } = await this.#handle.read(into, done, into.length - done, position + done);
        if (bytesRead === 0) throw new Error('it ends early; is it being written?');
        done += bytesRead;
      }
    } catch (error) {
      throw readFailure(this.name, error);
    }
  }

  sibling(name: string): Promise<ByteSource> {
    if (this.#own !== null) return openPath(path.join(path.dirname(this.name), name), 'missing_shard');
    const detail = 'a FileHandle has no neighbours; give the path of the model';
    return Promise.reject(new QuantizeError('missing_shard', { file: name, detail }));
  }

  async list(folder: string): Promise<readonly string[]> {
    if (this.#own === null) return [];
    const place = path.join(path.dirname(this.name), folder);
    try {
      return await namesOfFiles(place);
    } catch (error) {
      if (NO_SUCH_FOLDER.includes(codeOf(error))) return [];
      throw readFailure(place, error);
    }
  }

  /**
   * The time of writing can be set back, that of the last change cannot; but permissions, links, labels and renaming move it,
   * too. So where it alone has moved, samples of what was read are read again.
   */
  async checkUnchanged(): Promise<void> {
    const { size, mtimeNs, ctimeNs } = this.#opened;
    const now = await this.#handle.stat({ bigint: true }).catch((error: unknown) => {
      throw readFailure(this.name, error);
    });
    if (now.size !== size || now.mtimeNs !== mtimeNs) throw changed(this.name);
    if (now.ctimeNs !== ctimeNs && !(await this.#isAsRead())) throw changed(this.name);
  }

  async #isAsRead(): Promise<boolean> {
    for (const { position, bytes } of this.#samples) {
      const again = new Uint8Array(bytes.length);
      await this.#fill(again, position);
      if (again.some((byte, index) => byte !== bytes[index])) return false;
    }
    return true;
  }

  async close(): Promise<void> {
    await this.#own?.close();
  }
}

const NO_SUCH_FOLDER: readonly unknown[] = ['ENOENT', 'ENOTDIR'];

/** The names of all that is in a folder but of folders. */
export async function namesOfFiles(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name);
}

/** Throws for a folder, and for what is no file with bytes of its own, such as a pipe. */
export function checkRegular(about: Pick<Stats, 'isDirectory' | 'isFile'>): void {
  if (about.isDirectory()) throw new Error('it is a folder');
  if (!about.isFile()) throw new Error('it is not a regular file');
}

/** `missing` is the code for a file that is not there. */
export async function openPath(name: string, missing: 'missing_shard' | 'unreadable_input'): Promise<ByteSource> {
  let handle: FileHandle | null = null;
  try {
    // Without O_NONBLOCK, opening a pipe would wait for someone to write into it.
    handle = await open(name, constants.O_RDONLY | constants.O_NONBLOCK);
    const about = await handle.stat({ bigint: true });
    checkRegular(about);
    return new NodeSource(name, about, handle, handle);
  } catch (error) {
    await handle?.close();
    throw failure(codeOf(error) === 'ENOENT' ? missing : 'unreadable_input', name, error);
  }
}

/** Reads from a handle that the caller has opened, and will close. */
export async function openHandle(handle: NodeFileHandle): Promise<ByteSource> {
  const name = endpointName(handle);
  try {
    const about = await handle.stat({ bigint: true });
    checkRegular(about);
    return new NodeSource(name, about, handle, null);
  } catch (error) {
    throw readFailure(name, error);
  }
}

/** Whether the file is one of the inputs. */
export const isInput = ({ dev, ino }: Identity, inputs: readonly ByteSource[]): boolean =>
  inputs.some((input) => input instanceof NodeSource && input.identity.dev === dev && input.identity.ino === ino);
