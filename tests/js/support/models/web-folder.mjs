import { File } from 'node:buffer';

/**
 * A FileSystemDirectoryHandle as the File System Standard describes it, as far as it is used, in memory. `files` has the bytes of
 * the files by name, or by path for those in folders inside it; what is written shows when the stream is closed. `mostBytes` is
 * what one file may have.
 */
export class MemoryFolder {
  kind = 'directory';
  openStreams = 0;

  constructor(files = {}, mostBytes = Infinity, name = 'picked') {
    this.name = name;
    this.mostBytes = mostBytes;
    this.files = new Map();
    this.folders = new Map();
    for (const [file, bytes] of Object.entries(files)) this.#put(file, bytes);
  }

  #put(file, bytes) {
    const [own, ...inside] = file.split('/');
    if (inside.length === 0) return this.files.set(own, bytes);
    if (!this.folders.has(own)) this.folders.set(own, new MemoryFolder({}, this.mostBytes, own));
    this.folders.get(own).#put(inside.join('/'), bytes);
  }

  async *keys() {
    yield* this.files.keys();
    yield* this.folders.keys();
  }

  async getDirectoryHandle(name) {
    checkName(name);
    if (this.files.has(name)) throw new DOMException('', 'TypeMismatchError');
    if (!this.folders.has(name)) throw new DOMException('', 'NotFoundError');
    return this.folders.get(name);
  }

  async getFileHandle(name, { create = false } = {}) {
    checkName(name);
    if (this.folders.has(name)) throw new DOMException('', 'TypeMismatchError');
    if (!this.files.has(name) && !create) throw new DOMException('', 'NotFoundError');
    if (!this.files.has(name)) this.files.set(name, new Uint8Array());
    return new MemoryFile(this, name);
  }

  async removeEntry(name) {
    if (!this.files.delete(name)) throw new DOMException('', 'NotFoundError');
  }

  async isSameEntry(other) {
    return other === this;
  }
}

function checkName(name) {
  if (['', '.', '..'].includes(name) || name.includes('/')) throw new TypeError('no name');
}

class MemoryFile {
  kind = 'file';

  constructor(folder, name) {
    this.folder = folder;
    this.name = name;
  }

  async getFile() {
    return new File([this.folder.files.get(this.name)], this.name, { lastModified: 1 });
  }

  async isSameEntry(other) {
    return other.folder === this.folder && other.name === this.name;
  }

  async createWritable() {
    ++this.folder.openStreams;
    return new MemoryWritable(this);
  }
}

class MemoryWritable {
  locked = false;
  #file;
  #swap = new Uint8Array();

  constructor(file) {
    this.#file = file;
  }

  async write({ position, data }) {
    if (position + data.length > this.#swap.length) await this.truncate(position + data.length);
    this.#swap.set(data, position);
  }

  async seek() {
    throw new Error('not needed');
  }

  async truncate(size) {
    if (size > this.#file.folder.mostBytes) throw new DOMException('too much', 'QuotaExceededError');
    const resized = new Uint8Array(size);
    resized.set(this.#swap.subarray(0, size));
    this.#swap = resized;
  }

  async close() {
    --this.#file.folder.openStreams;
    this.#file.folder.files.set(this.#file.name, this.#swap);
  }

  async abort() {
    --this.#file.folder.openStreams;
  }
}
