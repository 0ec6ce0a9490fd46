/** Files and folders in memory, where the browser has no other place, or the person wants none. */

import type { WritableFile } from 'arrowquant';

const MIME_TYPE = 'application/octet-stream';

/**
 * A file of Blobs, which browsers move out of the page's own memory. Written in any order, as safetensors with levels and
 * scales are, which a WritableStream cannot be.
 */
export class MemoryFile implements WritableFile {
  readonly locked = false;
  #pieces: { readonly position: number; readonly blob: Blob }[] = [];
  #size = 0;

  write({ position, data }: { readonly position: number; readonly data: Uint8Array<ArrayBuffer> }): Promise<void> {
    this.#pieces.push({ position, blob: new Blob([data]) });
    return Promise.resolve();
  }

  /** Every write says where it goes. */
  seek(): Promise<void> {
    return Promise.resolve();
  }

  truncate(size: number): Promise<void> {
    this.#size = size;
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  abort(): Promise<void> {
    this.#pieces = [];
    return Promise.resolve();
  }

  /** What was never written is zero; of what was written twice, the first counts. */
  file(name: string): File {
    let end = 0;
    const parts: BlobPart[] = [];
    for (const { position, blob } of this.#pieces.sort((a, b) => a.position - b.position)) {
      if (position > end) parts.push(new Uint8Array(position - end));
      parts.push(blob.slice(Math.max(0, end - position)));
      end = Math.max(end, position + blob.size);
    }
    if (this.#size > end) parts.push(new Uint8Array(this.#size - end));
    return new File(parts, name, { type: MIME_TYPE });
  }
}

/** What is used of a FileSystemFileHandle. Its file is what was last closed, and empty before. */
class MemoryHandle {
  readonly kind = 'file';
  readonly name: string;
  #content = new MemoryFile();

  constructor(name: string) {
    this.name = name;
  }

  getFile(): Promise<File> {
    return Promise.resolve(this.#content.file(this.name));
  }

  isSameEntry(other: unknown): Promise<boolean> {
    return Promise.resolve(other === this);
  }

  createWritable(): Promise<WritableFile> {
    const written = new MemoryFile();
    const close = (): Promise<void> => {
      this.#content = written;
      return Promise.resolve();
    };
    return Promise.resolve({
      locked: false,
      write: (piece) => written.write(piece),
      seek: () => written.seek(),
      truncate: (size) => written.truncate(size),
      abort: () => written.abort(),
      close,
    });
  }
}

/** What is used of a FileSystemDirectoryHandle. */
export class MemoryFolder {
  readonly kind = 'directory';
  readonly name: string;
  readonly #handles = new Map<string, MemoryHandle>();

  constructor(name: string) {
    this.name = name;
  }

  async *keys(): AsyncGenerator<string> {
    yield* await Promise.resolve([...this.#handles.keys()]);
  }

  getFileHandle(name: string, { create = false }: { readonly create?: boolean } = {}): Promise<MemoryHandle> {
    const known = this.#handles.get(name);
    if (known !== undefined) return Promise.resolve(known);
    if (!create) return Promise.reject(new DOMException(`${name} is not there`, 'NotFoundError'));
    const handle = new MemoryHandle(name);
    this.#handles.set(name, handle);
    return Promise.resolve(handle);
  }

  isSameEntry(other: unknown): Promise<boolean> {
    return Promise.resolve(other === this);
  }

  removeEntry(name: string): Promise<void> {
    this.#handles.delete(name);
    return Promise.resolve();
  }
}
