import { lstatSync, unlinkSync } from 'node:fs';

/** Unfinished outputs and locks, each with what tells it from others, removed when the process ends with them. */
const unfinished = new Map<string, string | null>();

/** For who ends the process in a way that nobody is told of. */
export function removeUnfinished(): void {
  // A name may be another process's by now.
  for (const [file, mark] of unfinished) if (markOf(file) === mark) removeQuietly(file);
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
  try {
    unlinkSync(file);
  } catch {
    // It is gone already.
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
