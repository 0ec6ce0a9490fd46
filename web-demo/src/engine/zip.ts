/** Folders as one file that can be downloaded. */

import { makeZip } from 'client-zip';

/** What is used of a folder, wherever it is. */
export interface Folder {
  readonly name: string;
  keys(): AsyncIterable<string>;
  getFileHandle(name: string): Promise<{ getFile(): Promise<File> }>;
}

/** The files of a folder, by name. */
export async function filesOf(folder: Folder): Promise<readonly File[]> {
  const names: string[] = [];
  for await (const name of folder.keys()) names.push(name);
  return Promise.all(names.sort().map(async (name) => (await folder.getFileHandle(name)).getFile()));
}

/**
 * A zip of the files in a folder of that name, which nothing is compressed in: weights would not become smaller. The files are
 * read while it is read, and may be of any size.
 */
export const zipOf = (folder: string, files: readonly File[]): ReadableStream<Uint8Array> =>
  makeZip(files.map((file) => ({ input: file, name: `${folder}/${file.name}` })));
