import { lstatSync, rmdirSync, unlinkSync } from 'node:fs';

/** Unfinished outputs, folders that were made for them, and locks, each with what tells it from others, removed when the process ends with them. */
const unfinished = new Map<string, string | null>();

/** For who ends the process in a way that nobody is told of. */
export function removeUnfinished(): void {
  // A name may be another process's by now. What lies in a folder goes before it.
  for (const [file, mark] of [...unfinished].reverse()) if (markOf(file) === mark) removeQuietly(file);
}

/** To be called when `file` has been made. */
export function remember(file: string): void {
  if (unfinished.size === 0) process.on('exit', removeUnfinished);
  unfinished.set(file, markOf(file));
}

export function forget(file: string): void {
  unfinished.delete(file);
  if (unfinished.size === 0) process.off('exit', removeUnfinished);
}

export function removeQuietly(file: string): void {
  for (const remove of [unlinkSync, rmdirSync]) {
    try {
      remove(file);
      return;
    } catch {
      // It is gone already, or a folder: one in which something else lies stays.
    }
  }
}

/** Inodes are used again, but not at the same time. */
function markOf(file: string): string | null {
  try {
    const { ino, birthtimeMs } = lstatSync(file);
    return `${ino} ${birthtimeMs}`;
  } catch {
    return null;
  }
}
