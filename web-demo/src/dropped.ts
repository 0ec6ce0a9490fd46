/** The files that a person drops or picks, alone or in a folder. */

/** What is to be opened: the files of one model. */
export interface Given {
  readonly files: readonly File[];
  /** Of each file where it lies, from the folder's name on; empty for files that were given one by one. */
  readonly paths: readonly string[];
  /** The name of the folder that they lie in; null for files that were given one by one. */
  readonly folder: string | null;
}

export const givenFiles = (files: readonly File[]): Given => ({ files, paths: [], folder: null });

/**
 * Of folders inside of the model's, what models say of their parts: how an embedding is pooled, other chat templates. All else
 * in them is other models, as a rule, or the history of this one.
 */
const IS_SETTING = /^[^/]+\/[^./][^/]*\/[^./][^/]*\.(?:json|jinja)$/;

const isWanted = (path: string): boolean => path.split('/').length < 3 || IS_SETTING.test(path);

/** To be called while the event is handled: what was dropped can be asked for later no more. */
export async function droppedFiles({ items, files }: DataTransfer): Promise<Given> {
  const folder = [...items]
    .map((item) => (item.kind === 'file' ? item.webkitGetAsEntry() : null))
    .find((entry): entry is FileSystemDirectoryEntry => entry?.isDirectory === true);
  if (folder === undefined) return givenFiles([...files]);
  const entries = await filesIn(folder, folder.name);
  return {
    files: await Promise.all(entries.map(({ entry }) => fileOf(entry))),
    paths: entries.map(({ path }) => path),
    folder: folder.name,
  };
}

/** Of an input that takes folders: it gives what lies in folders inside of it, too. */
export function pickedFolder(all: readonly File[]): Given {
  const files = all.filter(({ webkitRelativePath }) => isWanted(webkitRelativePath));
  const paths = files.map(({ webkitRelativePath }) => webkitRelativePath);
  return { files, paths, folder: all[0]?.webkitRelativePath.split('/')[0] ?? null };
}

interface Found {
  readonly entry: FileSystemFileEntry;
  readonly path: string;
}

/** Of a folder and of the folders in it; those in these are not looked into. */
async function filesIn(folder: FileSystemDirectoryEntry, at: string, isInside = false): Promise<readonly Found[]> {
  const found: Found[] = [];
  for (const entry of await entriesOf(folder)) {
    const path = `${at}/${entry.name}`;
    if (isFile(entry)) {
      if (isWanted(path)) found.push({ entry, path });
    } else if (isFolder(entry) && !isInside) found.push(...(await filesIn(entry, path, true)));
  }
  return found;
}

const isFile = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile;
const isFolder = (entry: FileSystemEntry): entry is FileSystemDirectoryEntry => entry.isDirectory;

async function entriesOf(folder: FileSystemDirectoryEntry): Promise<readonly FileSystemEntry[]> {
  const reader = folder.createReader();
  const entries: FileSystemEntry[] = [];
  // It gives some at a time, and none at the end.
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => {
      reader.readEntries(resolve, reject);
    });
    if (some.length === 0) return entries;
    entries.push(...some);
  }
}

const fileOf = (entry: FileSystemFileEntry): Promise<File> =>
  new Promise((resolve, reject) => {
    entry.file(resolve, reject);
  });
