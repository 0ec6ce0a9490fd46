import type { WebFolderHandle } from '../../endpoints.js';
import type { ByteSource } from '../../io/byte-io.js';
import { readFailure } from '../failures.js';
import { modelInFolder } from '../folders.js';
import { openInFolder } from './blob-source.js';
import { namesIn } from './folder-names.js';

/** Opens the model in a folder; the other files in it are its neighbours. */
export async function openWebFolder(folder: WebFolderHandle, signal?: AbortSignal): Promise<ByteSource> {
  try {
    const name = modelInFolder(await namesIn(folder, signal), folder.name);
    return await openInFolder(folder, name, { signal });
  } catch (error) {
    throw readFailure(folder.name, error);
  }
}
