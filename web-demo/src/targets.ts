/** Where a result can go in this browser. */

export type TargetKind = 'disk' | 'folder' | 'storage' | 'memory';

export interface TargetChoice {
  readonly kind: TargetKind;
  readonly title: string;
  readonly explanation: string;
}

/** Chromium's pickers; not in TypeScript's DOM library. */
interface PickerWindow {
  showSaveFilePicker?: (options: { suggestedName: string }) => Promise<FileSystemFileHandle>;
  showDirectoryPicker?: (options: { mode: 'readwrite' }) => Promise<FileSystemDirectoryHandle>;
}

const pickers = window as PickerWindow;

const DISK: TargetChoice = {
  kind: 'disk',
  title: 'A file on disk',
  explanation: 'Written to the file that you choose while it is made. Takes no memory.',
};
const FOLDER: TargetChoice = {
  kind: 'folder',
  title: 'A folder on disk',
  explanation: 'Written to a new folder in the one that you choose while it is made. Takes no memory.',
};

/** The best comes first; memory always works, as far as there is some. */
export function availableTargets(isFolder: boolean): readonly TargetChoice[] {
  const choices: TargetChoice[] = [];
  if (isFolder && pickers.showDirectoryPicker !== undefined) choices.push(FOLDER);
  if (!isFolder && pickers.showSaveFilePicker !== undefined) choices.push(DISK);
  const downloaded = isFolder ? 'downloaded as a zip' : 'downloaded';
  if (hasStorage()) {
    const explanation = `Written to the storage that the browser keeps for this page, then ${downloaded}.`;
    choices.push({ kind: 'storage', title: 'Browser storage', explanation });
  }
  const explanation = `Kept by the browser until it is ${downloaded}. For results that fit into memory.`;
  choices.push({ kind: 'memory', title: 'Memory', explanation });
  return choices;
}

function hasStorage(): boolean {
  if (typeof FileSystemFileHandle === 'undefined') return false;
  return 'getDirectory' in navigator.storage && 'createWritable' in FileSystemFileHandle.prototype;
}

/** Null when the person closes the dialog. */
export const pickFile = (suggestedName: string): Promise<FileSystemFileHandle | null> =>
  picked(() => pickers.showSaveFilePicker?.({ suggestedName }));

export const pickFolder = (): Promise<FileSystemDirectoryHandle | null> =>
  picked(() => pickers.showDirectoryPicker?.({ mode: 'readwrite' }));

async function picked<Handle>(pick: () => Promise<Handle> | undefined): Promise<Handle | null> {
  try {
    return (await pick()) ?? null;
  } catch (error) {
    if ((error as { name?: unknown }).name === 'AbortError') return null;
    throw error;
  }
}

export function download(file: Blob, name: string): void {
  const address = URL.createObjectURL(file);
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  // The browser has taken hold of the Blob by then, but not before the click's own task is over.
  setTimeout(() => {
    URL.revokeObjectURL(address);
  }, 60_000);
}
