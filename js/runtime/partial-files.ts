import { randomBytes } from 'node:crypto';
import { lstat, opendir, unlink } from 'node:fs/promises';
import path from 'node:path';
import { isRunning, ownIdentity, shortHash } from './process-identity.js';

/** Who writes it, when that process began, where its number counts, and for which output. */
const PARTIAL = /^\.arrowquant-(\d+)-(\d*)-([\da-f]{12})-([\da-f]{12})-[\da-f]{12}\.partial$/;

const targetHash = (target: string): string => shortHash(path.basename(target));

/** A new name beside `target` for what is not complete, which says whose it is. */
export function partialName(target: string): string {
  const { pid, started, place } = ownIdentity();
  const owner = `${pid}-${started ?? ''}-${shortHash(place)}`;
  return `.arrowquant-${owner}-${targetHash(target)}-${randomBytes(6).toString('hex')}.partial`;
}

/**
 * Removes what processes that were killed have left beside `target` and for it. Whether a process of another container or
 * start of the system runs cannot be known: what those have left stays.
 */
export async function removeOrphans(target: string): Promise<void> {
  const folder = path.dirname(target);
  const here = shortHash(ownIdentity().place);
  // Who may write to a folder need not be allowed to list it.
  const entries = await opendir(folder).catch(() => null);
  if (entries === null) return;
  for await (const { name } of entries) {
    const [, pid, started, place, output] = PARTIAL.exec(name) ?? [];
    if (place !== here || output !== targetHash(target)) continue;
    if (isRunning({ pid: Number(pid), started: started === '' ? null : (started ?? null) })) continue;
    await removeOwn(path.join(folder, name));
  }
}

/** Removes a file of this user's; leaves what is none, or is gone. */
async function removeOwn(file: string): Promise<void> {
  const about = await lstat(file).catch(() => null);
  const user = process.getuid?.() ?? about?.uid;
  if (about?.isFile() === true && about.uid === user) await unlink(file).catch(() => undefined);
}
