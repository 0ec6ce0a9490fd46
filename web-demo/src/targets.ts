/** Where a result can go in this browser. */

export type TargetKind = 'disk' | 'storage' | 'memory';

export interface TargetChoice {
  readonly kind: TargetKind;
  readonly title: string;
  readonly explanation: string;
}

/** Chromium's picker; not in TypeScript's DOM library. */
interface PickerWindow {
  showSaveFilePicker?: (options: { suggestedName: string }) => Promise<FileSystemFileHandle>;
}

const picker = (): PickerWindow['showSaveFilePicker'] => (window as PickerWindow).showSaveFilePicker;

/** The best comes first; memory always works, as far as there is some. */
export function availableTargets(): readonly TargetChoice[] {
  const choices: TargetChoice[] = [];
  if (picker() !== undefined) {
    const explanation = 'Written to the file that you choose while it is made. Takes no memory.';
    choices.push({ kind: 'disk', title: 'A file on disk', explanation });
  }
  if (hasStorage()) {
    const explanation = 'Written to the storage that the browser keeps for this page, then downloaded.';
    choices.push({ kind: 'storage', title: 'Browser storage', explanation });
  }
  const explanation = 'Kept by the browser until you download it. For results that fit into memory.';
  choices.push({ kind: 'memory', title: 'Memory', explanation });
  return choices;
}

function hasStorage(): boolean {
  if (typeof FileSystemFileHandle === 'undefined') return false;
  return 'getDirectory' in navigator.storage && 'createWritable' in FileSystemFileHandle.prototype;
}

/** Null when the person closes the dialog. */
export async function pickFile(suggestedName: string): Promise<FileSystemFileHandle | null> {
  try {
    return (await picker()?.call(window, { suggestedName })) ?? null;
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
