/** The files that a person drops or picks, alone or in a folder. */

/** What is to be opened: the files of one model. */
export interface Given {
  readonly files: readonly File[];
  /** The name of the folder that they lie in; null for files that were given one by one. */
  readonly folder: string | null;
}

/** To be called while the event is handled: what was dropped can be asked for later no more. */
export function droppedFiles({ items, files }: DataTransfer): Promise<Given> {
  const folder = [...items]
    .map((item) => (item.kind === 'file' ? item.webkitGetAsEntry() : null))
    .find((entry): entry is FileSystemDirectoryEntry => entry?.isDirectory === true);
  return folder === undefined ? Promise.resolve({ files: [...files], folder: null }) : filesIn(folder);
}

/** Of an input that takes folders: it gives what lies in folders inside of it, too. */
export function pickedFolder(files: readonly File[]): Given {
  const isOwn = ({ webkitRelativePath }: File): boolean => webkitRelativePath.split('/').length === 2;
  const [first] = files;
  return { files: files.filter(isOwn), folder: first?.webkitRelativePath.split('/')[0] ?? null };
}

async function filesIn(folder: FileSystemDirectoryEntry): Promise<Given> {
  const reader = folder.createReader();
  const entries: FileSystemEntry[] = [];
  // It gives some at a time, and none at the end.
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => {
      reader.readEntries(resolve, reject);
    });
    if (some.length === 0) break;
    entries.push(...some);
  }
  const files = entries.filter((entry): entry is FileSystemFileEntry => entry.isFile).map(fileOf);
  return { files: await Promise.all(files), folder: folder.name };
}

const fileOf = (entry: FileSystemFileEntry): Promise<File> =>
  new Promise((resolve, reject) => {
    entry.file(resolve, reject);
  });
