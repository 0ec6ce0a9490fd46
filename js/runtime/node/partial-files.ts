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
 * Removes what processes that were killed have left beside the outputs at `targets` and for them. Whether a process of
 * another container or start of the system runs cannot be known: what those have left stays. Never rejects.
 */
export async function removeOrphans(targets: readonly string[]): Promise<void> {
  for (const folder of new Set(targets.map((target) => path.dirname(target)))) {
    const outputs = new Set(targets.filter((target) => path.dirname(target) === folder).map(targetHash));
    // Who may write to a folder need not be allowed to list it.
    await removeOrphansIn(folder, outputs).catch(() => undefined);
  }
}

async function removeOrphansIn(folder: string, outputs: ReadonlySet<string>): Promise<void> {
  const here = shortHash(ownIdentity().place);
  for await (const { name } of await opendir(folder)) {
    const [, pid, started, place, output] = PARTIAL.exec(name) ?? [];
    if (output === undefined || place !== here || !outputs.has(output)) continue;
    if (isRunning({ pid: Number(pid), started: started === '' ? null : (started ?? null) })) continue;
    await removeOwn(path.join(folder, name)).catch(() => undefined);
  }
}

/** Removes a file of this user's; leaves what is none. */
async function removeOwn(file: string): Promise<void> {
  const about = await lstat(file);
  const user = process.getuid?.() ?? about.uid;
  if (about.isFile() && about.uid === user) await unlink(file);
}
