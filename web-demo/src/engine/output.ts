/**
 * Where a result goes: a file or a folder that the person picked, the browser's storage for this site, or memory. A folder that
 * has to be downloaded is made a zip when it is complete.
 */

import type { ModelSink, ModelSource } from 'arrowquant';
import { MemoryFile, MemoryFolder } from './memory';
import type { Target } from './protocol';
import { emptyStorage } from './storage';
import { filesOf, zipOf, type Folder } from './zip';

/** A complete result. */
export interface Finished {
  readonly name: string;
  readonly bytes: number;
  /** To be read again. */
  readonly source: ModelSource;
  /** What can be downloaded; null where all of it is where the person wants it. */
  readonly file: File | null;
  /** The result itself; null where it is a folder. */
  readonly written: File | null;
}

export interface Output {
  readonly sink: ModelSink;
  finish(): Promise<Finished>;
  /** Takes back what a job that failed has left; what was there before stays. */
  discard(): Promise<void>;
}

export function openOutput(target: Target): Promise<Output> {
  switch (target.kind) {
    case 'disk':
      return pickedFile(target.handle);
    case 'folder':
      return pickedFolder(target.parent, target.name);
    case 'storage':
      return target.isFolder ? storedFolder(target.name) : storedFile(target.name);
    case 'memory':
      return Promise.resolve(target.isFolder ? memoryFolder(target.name) : memoryFile(target.name));
  }
}

const finished = (file: File, isDownloaded = true): Finished => ({
  name: file.name,
  bytes: file.size,
  source: file,
  file: isDownloaded ? file : null,
  written: file,
});

/** Handles of Chromium can be removed; elsewhere an empty file stays. */
interface RemovableHandle extends FileSystemFileHandle {
  remove?: () => Promise<void>;
}

async function pickedFile(handle: RemovableHandle): Promise<Output> {
  // The picker has made an empty file; one with content is the person's, and replaced only by a complete one.
  const made = (await handle.getFile()).size === 0;
  return {
    sink: handle,
    finish: async () => finished(await handle.getFile(), false),
    discard: async () => {
      if (made) await handle.remove?.().catch(() => undefined);
    },
  };
}

const sizeOf = (files: readonly File[]): number => files.reduce((sum, { size }) => sum + size, 0);

/** In a folder of its own there: what else lies in the one that was picked is no concern of the model's. */
async function pickedFolder(parent: FileSystemDirectoryHandle, name: string): Promise<Output> {
  const isThere = await parent.getDirectoryHandle(name).then(
    () => true,
    () => false,
  );
  const folder = await parent.getDirectoryHandle(name, { create: true });
  return {
    sink: folder,
    finish: async () => {
      const files = await filesOf(folder);
      return { name, bytes: sizeOf(files), source: files, file: null, written: null };
    },
    discard: async () => {
      if (!isThere) await parent.removeEntry(name, { recursive: true }).catch(() => undefined);
    },
  };
}

async function storedFile(name: string): Promise<Output> {
  const { folder, clear } = await emptyStorage();
  const handle = await folder.getFileHandle(name, { create: true });
  return { sink: handle, finish: async () => finished(await handle.getFile()), discard: clear };
}

async function storedFolder(name: string): Promise<Output> {
  const { folder: around, clear } = await emptyStorage();
  const folder = await around.getDirectoryHandle(name, { create: true });
  const zipped = async (zip: ReadableStream<Uint8Array>): Promise<File> => {
    const handle = await around.getFileHandle(`${name}.zip`, { create: true });
    await zip.pipeTo(await handle.createWritable());
    return handle.getFile();
  };
  return { sink: folder, finish: () => finishedFolder(folder, zipped), discard: clear };
}

function memoryFile(name: string): Output {
  const memory = new MemoryFile();
  return {
    sink: memory,
    finish: () => Promise.resolve(finished(memory.file(name))),
    discard: () => memory.abort(),
  };
}

function memoryFolder(name: string): Output {
  const folder = new MemoryFolder(name);
  const zipped = async (zip: ReadableStream<Uint8Array>): Promise<File> =>
    new File([await new Response(zip).blob()], `${name}.zip`, { type: 'application/zip' });
  return { sink: folder, finish: () => finishedFolder(folder, zipped), discard: () => Promise.resolve() };
}

async function finishedFolder(
  folder: Folder,
  zipped: (zip: ReadableStream<Uint8Array>) => Promise<File>,
): Promise<Finished> {
  const files = await filesOf(folder);
  const file = await zipped(zipOf(folder.name, files));
  return { name: file.name, bytes: sizeOf(files), source: files, file, written: null };
}
