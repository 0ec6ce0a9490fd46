/** The browser's storage for this site, as far as results need it. */

const FOLDER = 'results';

export interface StoredResults {
  readonly folder: FileSystemDirectoryHandle;
  /** Removes all that is in it. */
  clear(): Promise<void>;
}

/** An empty folder of this page's own. What the job before has left there is gone: it was downloaded, or given up. */
export async function emptyStorage(): Promise<StoredResults> {
  const root = await navigator.storage.getDirectory();
  const results = await root.getDirectoryHandle(FOLDER, { create: true });
  const own = await ownFolder();
  // Nobody else would ever delete it.
  await remove(results, own);
  await removeAbandoned(results);
  return {
    folder: await results.getDirectoryHandle(own, { create: true }),
    clear: () => remove(results, own),
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
