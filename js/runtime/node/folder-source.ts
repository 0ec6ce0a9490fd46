import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { ByteSource } from '../../io/byte-io.js';
import { readFailure } from '../failures.js';
import { modelInFolder } from '../folders.js';
import { namesOfFiles, openPath } from './source.js';

/** Opens the file at a path, or the model in the folder there. */
export async function openModelPath(name: string): Promise<ByteSource> {
  const isFolder = await stat(name).then(
    (about) => about.isDirectory(),
    () => false,
  );
  if (!isFolder) return openPath(name, 'unreadable_input');
  try {
    return await openPath(path.join(name, modelInFolder(await namesOfFiles(name), name)), 'unreadable_input');
  } catch (error) {
    throw readFailure(name, error);
  }
}
