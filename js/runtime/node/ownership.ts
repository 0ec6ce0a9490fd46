import type { Stats } from 'node:fs';
import { lstat, type FileHandle } from 'node:fs/promises';

type About = Pick<Stats, 'uid' | 'mode' | 'nlink'> & { isFile(): boolean };

/** Permission of the group and of all others to write. */
const WRITABLE_BY_OTHERS = 0o022;

/**
 * Why what `about` describes may have been written by someone else; null when only we can have. Compared with `own`, a file
 * that has just been made in the same folder: some file systems give every file the same owner and mode.
 */
export function obstacleToTrust(about: About, own: Pick<Stats, 'uid' | 'mode'>): string | null {
  if (!about.isFile()) return 'is not a regular file';
  if (about.uid !== own.uid) return 'belongs to another user';
  if (about.nlink > 1) return 'has other names, too';
  return (about.mode & WRITABLE_BY_OTHERS & ~own.mode) === 0 ? null : 'can be written by other users';
}

/** What tells an open file from all others in its folder. */
export const inodeOf = async (handle: FileHandle): Promise<bigint> => (await handle.stat({ bigint: true })).ino;

/** Whether the file of that number still has the name `file`. Another process may have put its own there. */
export async function isStillThere(file: string, inode: bigint): Promise<boolean> {
  const about = await lstat(file, { bigint: true }).catch(() => null);
  return about?.ino === inode;
}
