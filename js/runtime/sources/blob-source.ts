import { fieldsOf } from '../../checks.js';
import {
  endpointName,
  entryOf,
  type BlobLike,
  type FileLike,
  type WebFileHandle,
  type WebFolderHandle,
} from '../../endpoints.js';
import { QuantizeError } from '../../errors.js';
import type { ByteSource } from '../../io/byte-io.js';
import { changed, codeOf, failure, readFailure, unreadable } from '../failures.js';
import { unknownVersion } from '../unknown-version.js';
import { unlessAborted } from '../../io/unless-aborted.js';
import { folderInside, namesInside, NOT_THERE } from './folder-names.js';

/** What is known about a Blob. */
interface BlobSetting {
  /** The other files of the model. */
  readonly files?: readonly FileLike[];
  /** Where the File came from. */
  readonly origin?: WebFileHandle | null;
  /** The folder that it lies in. */
  readonly folder?: WebFolderHandle | null;
  /** Ends reads that wait: what calls itself a Blob may be anything. */
  readonly signal?: AbortSignal | undefined;
}

/** A Blob or File, as a whole. */
export class BlobSource implements ByteSource {
  readonly name: string;
  readonly fileName: string;
  readonly folderName: string;
  readonly size: number;
  readonly version: string;
  /** Where the File came from, if that is known. */
  readonly origin: WebFileHandle | null;
  /** The folder that its neighbours are in, if that is known. */
  readonly folder: WebFolderHandle | null;
  readonly #blob: BlobLike;
  readonly #files: readonly FileLike[];
  readonly #signal: AbortSignal | undefined;

  constructor(blob: BlobLike, { files = [], origin = null, folder = null, signal }: BlobSetting = {}) {
    this.name = origin?.name ?? endpointName(blob);
    this.size = blob.size;
    const { name, lastModified } = fieldsOf(blob);
    this.fileName = origin?.name ?? (typeof name === 'string' ? name : '');
    this.folderName = folder?.name ?? folderOf(pathOf(blob)).split('/').at(-2) ?? '';
    this.version =
      typeof lastModified === 'number' ? `${blob.size} bytes of ${lastModified}` : unknownVersion(blob.size);
    this.origin = origin;
    this.folder = folder;
    this.#blob = blob;
    this.#files = files;
    this.#signal = signal;
  }

  async read(into: Uint8Array, position: number): Promise<void> {
    into.set(await this.readAside(position, into.length));
  }

  /** Blobs give copies in any case. */
  async readAside(position: number, bytes: number): Promise<Uint8Array> {
    if (bytes === 0) return new Uint8Array();
    try {
      const stretch = this.#blob.slice(position, position + bytes);
      const copy = await unlessAborted(this.#signal, () => stretch.arrayBuffer());
      if (copy.byteLength !== bytes) throw new Error('it ends early; has it changed?');
      return new Uint8Array(copy);
    } catch (error) {
      throw readFailure(this.name, error);
    }
  }

  sibling(name: string): Promise<ByteSource> {
    if (this.folder !== null)
      return openInFolder(this.folder, name, { signal: this.#signal, missing: 'missing_shard' });
    const path = folderOf(pathOf(this.#blob)) + name;
    const file =
      this.#files.find((one) => pathOf(one) === path) ??
      // Files that were chosen one by one have lost their folders: settings of a part would be taken for those of the model.
      (IS_SETTING.test(name)
        ? undefined
        : this.#files.find((one) => pathOf(one) === name.slice(name.lastIndexOf('/') + 1)));
    if (file !== undefined) return Promise.resolve(new BlobSource(file, { files: this.#files, signal: this.#signal }));
    const detail =
      this.#files.length > 0
        ? `it is not among the ${this.#files.length} files that were given`
        : 'a file by itself has no neighbours; give all files of the model as an array';
    return Promise.reject(new QuantizeError('missing_shard', { file: name, detail }));
  }

  async list(folder: string): Promise<readonly string[]> {
    if (this.folder !== null) return namesInside(this.folder, folder, this.#signal);
    const begin = folderOf(pathOf(this.#blob)) + (folder === '' ? '' : `${folder}/`);
    return this.#files
      .map(pathOf)
      .filter((path) => folderOf(path) === begin)
      .map((path) => path.slice(begin.length));
  }

  /** Browsers refuse to read a File that has changed, but not all of them where it came by a handle. */
  async checkUnchanged(): Promise<void> {
    const { origin } = this;
    if (origin === null) return;
    const now = await unlessAborted(this.#signal, () => origin.getFile()).catch((error: unknown) => {
      throw readFailure(this.name, error);
    });
    const isSame = now.size === this.size && fieldsOf(now)['lastModified'] === fieldsOf(this.#blob)['lastModified'];
    if (!isSame) throw changed(this.name);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** The name, with the folders that are known of a File out of a folder that was chosen. */
function pathOf(blob: BlobLike): string {
  const { name, webkitRelativePath: path } = fieldsOf(blob);
  if (typeof path === 'string' && path !== '') return path;
  return typeof name === 'string' ? name : '';
}

const IS_SETTING = /\.json$/iu;

const folderOf = (path: string): string => path.slice(0, path.lastIndexOf('/') + 1);

/** All files of a sharded model; throws when two have the same name. */
export function openBlobs(files: readonly FileLike[], signal?: AbortSignal): ByteSource {
  const entry = entryOf(files);
  if (entry === undefined) throw unreadable('the files', 'there are none');
  const names = new Set<string>();
  for (const name of files.map(pathOf)) {
    if (names.has(name)) throw unreadable(name, 'two of the files have this name');
    names.add(name);
  }
  return new BlobSource(entry, { files, signal });
}

/** What the handle's file holds now. */
export async function openWebHandle(handle: WebFileHandle, signal?: AbortSignal): Promise<ByteSource> {
  try {
    return new BlobSource(await unlessAborted(signal, () => handle.getFile()), { origin: handle, signal });
  } catch (error) {
    throw readFailure(handle.name, error);
  }
}

/** A file of a folder; `missing` is the code of the error when there is none of that name. */
export async function openInFolder(
  folder: WebFolderHandle,
  name: string,
  {
    signal,
    missing = 'unreadable_input',
  }: { readonly signal: AbortSignal | undefined; readonly missing?: 'unreadable_input' | 'missing_shard' },
): Promise<ByteSource> {
  try {
    const parts = name.split('/');
    const place = await folderInside(folder, parts.slice(0, -1), signal);
    const origin = await unlessAborted(signal, () => place.getFileHandle(parts.at(-1) ?? ''));
    return new BlobSource(await unlessAborted(signal, () => origin.getFile()), { origin, folder: place, signal });
  } catch (error) {
    throw failure(NOT_THERE.includes(codeOf(error)) ? missing : 'unreadable_input', name, error);
  }
}
