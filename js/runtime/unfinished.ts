import { unlinkSync } from 'node:fs';

/** Unfinished outputs and locks, removed when the process ends with them. */
const unfinished = new Set<string>();

/** For who ends the process in a way that nobody is told of. */
export function removeUnfinished(): void {
  for (const name of unfinished) {
    try {
      unlinkSync(name);
    } catch {
      // It is gone already.
    }
  }
}

export function remember(file: string): void {
  if (unfinished.size === 0) process.on('exit', removeUnfinished);
  unfinished.add(file);
}

export function forget(file: string): void {
  unfinished.delete(file);
  if (unfinished.size === 0) process.off('exit', removeUnfinished);
}
