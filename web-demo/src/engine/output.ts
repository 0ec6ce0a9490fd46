/** Where a result goes: a file that the person picked, the browser's storage for this site, or memory. */

import type { ModelSink, WritableFile } from 'arrowquant';
import type { Target } from './protocol';

export interface Output {
  readonly sink: ModelSink;
  /** The complete file, to be read again. */
  finish(): Promise<File>;
  /** Takes back what a job that failed has left; what was there before stays. */
  discard(): Promise<void>;
}

const FOLDER = 'results';
const MIME_TYPE = 'application/octet-stream';

export function openOutput(target: Target): Promise<Output> {
  switch (target.kind) {
    case 'disk':
      return pickedFile(target.handle);
    case 'storage':
      return storedFile(target.name);
    case 'memory':
      return Promise.resolve(memoryFile(target.name));
  }
}

/** Handles of Chromium can be removed; elsewhere an empty file stays. */
interface RemovableHandle extends FileSystemFileHandle {
  remove?: () => Promise<void>;
}

async function pickedFile(handle: RemovableHandle): Promise<Output> {
  // The picker has made an empty file; one with content is the person's, and replaced only by a complete one.
  const made = (await handle.getFile()).size === 0;
  return {
    sink: handle,
    finish: () => handle.getFile(),
    discard: async () => {
      if (made) await handle.remove?.().catch(() => undefined);
    },
  };
}

async function storedFile(name: string): Promise<Output> {
  const root = await navigator.storage.getDirectory();
  const results = await root.getDirectoryHandle(FOLDER, { create: true });
  const own = await ownFolder();
  // The result before this one has been downloaded or given up; nobody else would ever delete it.
  await remove(results, own);
  await removeAbandoned(results);
  const folder = await results.getDirectoryHandle(own, { create: true });
  const handle = await folder.getFileHandle(name, { create: true });
  return {
    sink: handle,
    finish: () => handle.getFile(),
    discard: () => remove(results, own),
  };
}

/** The folder of this page's results: its lock is held for as long as the page is open, so that no other page removes it. */
function ownFolder(): Promise<string> {
  ownName ??= new Promise((resolve, reject) => {
    const name = crypto.randomUUID();
    const held = navigator.locks.request(lockOf(name), () => {
      resolve(name);
      return new Promise(() => undefined);
    });
    held.catch(reject);
  });
  return ownName;
}

let ownName: Promise<string> | null = null;

const lockOf = (folder: string): string => `arrowquant-results/${folder}`;

/** Removes what pages that are closed have left. */
async function removeAbandoned(results: FileSystemDirectoryHandle): Promise<void> {
  const names: string[] = [];
  for await (const name of results.keys()) names.push(name);
  for (const name of names) {
    await navigator.locks.request(lockOf(name), { ifAvailable: true }, async (lock) => {
      if (lock !== null) await remove(results, name);
    });
  }
}

const remove = (folder: FileSystemDirectoryHandle, name: string): Promise<void> =>
  folder.removeEntry(name, { recursive: true }).catch(() => undefined);

function memoryFile(name: string): Output {
  const memory = new MemoryFile();
  return {
    sink: memory,
    finish: () => Promise.resolve(memory.file(name)),
    discard: () => memory.abort(),
  };
}

/**
 * A file of Blobs, which browsers move out of the page's own memory. Written in any order, as safetensors with levels and
 * scales are, which a WritableStream cannot be.
 */
class MemoryFile implements WritableFile {
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
