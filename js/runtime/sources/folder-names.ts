import type { WebFolderHandle } from '../../endpoints.js';
import { unlessAborted } from '../../io/unless-aborted.js';
import { codeOf, readFailure, unreadable } from '../failures.js';

/** Far more files than any model has: who picks a whole disk is told. */
const MOST_NAMES = 100_000;

/** What handles say of names that nothing in the folder has, or something of the other kind, and of those that nothing can have. */
export const NOT_THERE: readonly unknown[] = ['NotFoundError', 'TypeMismatchError', 'TypeError'];

/** The names of what is in the folder. */
export async function namesIn(folder: WebFolderHandle, signal: AbortSignal | undefined): Promise<readonly string[]> {
  const names: string[] = [];
  const all = folder.keys?.()[Symbol.asyncIterator]();
  if (all === undefined) throw unreadable(folder.name, 'this folder does not say what is in it');
  for (;;) {
    const next: IteratorResult<string, unknown> = await unlessAborted(signal, () => all.next());
    if (next.done === true) return names;
    names.push(next.value);
    if (names.length > MOST_NAMES) throw unreadable(folder.name, `more than ${MOST_NAMES} files are in it`);
  }
}

/** The names of what is in the folder at `path` from `folder` on, which may be empty; none where there is no such folder. */
export async function namesInside(
  folder: WebFolderHandle,
  path: string,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  try {
    return await namesIn(await folderInside(folder, path === '' ? [] : path.split('/'), signal), signal);
  } catch (error) {
    if (NOT_THERE.includes(codeOf(error))) return [];
    throw readFailure(path === '' ? folder.name : path, error);
  }
}

/** The folder that names lead to, one in the other. Rejects with what the handles do, also where there is none. */
export async function folderInside(
  folder: WebFolderHandle,
  names: readonly string[],
  signal: AbortSignal | undefined,
): Promise<WebFolderHandle> {
  let place = folder;
  for (const name of names) {
    const outer = place;
    place = await unlessAborted(signal, async () => {
      if (outer.getDirectoryHandle === undefined) throw new TypeError('there are no folders in this one');
      return outer.getDirectoryHandle(name);
    });
  }
  return place;
}
