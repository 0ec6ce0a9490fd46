import type { WebFolderHandle } from '../../endpoints.js';
import type { ByteSource } from '../../io/byte-io.js';
import { unlessAborted } from '../../io/unless-aborted.js';
import { readFailure, unreadable } from '../failures.js';
import { modelInFolder } from '../folders.js';
import { openInFolder } from './blob-source.js';

/** Far more files than any model has: who picks a whole disk is told. */
const MOST_NAMES = 100_000;

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

/** Opens the model in a folder; the other files in it are its neighbours. */
export async function openWebFolder(folder: WebFolderHandle, signal?: AbortSignal): Promise<ByteSource> {
  try {
    const name = modelInFolder(await namesIn(folder, signal), folder.name);
    return await openInFolder(folder, name, { signal });
  } catch (error) {
    throw readFailure(folder.name, error);
  }
}
