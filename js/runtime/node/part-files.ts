import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { constants, open, readdir, stat, unlink, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { fieldsOf } from '../../checks.js';
import {
  MANIFEST_ENDING,
  MOST_MANIFEST_BYTES,
  type FileSum,
  type OutputFiles,
  type PlannedPart,
  type ReadText,
} from '../../io/part-files.js';
import { checkAborted, codeOf, readFailure } from '../failures.js';
import { createUnfinished, type UnfinishedFile } from '../resume/unfinished-file.js';
import { remember } from '../resume/unfinished.js';
import { partialName } from './partial-files.js';
import { checkRegular } from './source.js';
import type { Target } from './target.js';

/** What is read and summed up at a time. */
const PIECE_BYTES = 2 ** 22;

/** What makes the manifest of a part. */
export interface Manifest {
  readonly target: Target;
  readonly textOf: PlannedPart['manifest']['textOf'];
}

/**
 * Writes the manifest of files that are complete, but have not taken their names yet, beside where it is going to be. It
 * takes its own when it is told to.
 */
export async function writeManifest(
  { target, textOf }: Manifest,
  files: readonly UnfinishedFile[],
  { durable, signal }: { readonly durable: boolean; readonly signal: AbortSignal | undefined },
): Promise<UnfinishedFile> {
  const sums: FileSum[] = [];
  for (const { temporary, target: named } of files) {
    const { bytes, sha256 } = await summed(temporary, signal);
    sums.push({ name: path.basename(named), bytes, sha256 });
  }
  const bytes = Buffer.from(textOf(sums));
  const temporary = path.join(path.dirname(target.path), partialName(target.path));
  const file = await createUnfinished({ ...target, bytes: bytes.length }, temporary, durable);
  remember(temporary);
  try {
    await file.write(bytes, 0);
    await file.finish();
    return file;
  } catch (error) {
    await file.remove();
    throw error;
  }
}

/**
 * Removes what earlier runs have said of files that have been replaced by those of a whole output: it is not right any more.
 * What cannot be removed, or is no manifest, stays; the output is complete all the same.
 */
export async function removeManifests(files: readonly UnfinishedFile[]): Promise<void> {
  for (const { target } of files) {
    const file = `${target}${MANIFEST_ENDING}`;
    const read = await textIn(file, MOST_MANIFEST_BYTES).catch(() => null);
    if (read !== null && isManifest(read.text)) await unlink(file).catch(() => undefined);
  }
}

function isManifest(text: string): boolean {
  try {
    return typeof fieldsOf(JSON.parse(text))['manifest'] === 'number';
  } catch {
    return false;
  }
}

async function summed(file: string, signal: AbortSignal | undefined): Promise<FileSum> {
  const handle = await openRegular(file);
  try {
    return { name: path.basename(file), ...(await sumOfAll(handle, signal)) };
  } finally {
    await handle.close();
  }
}

async function sumOfAll(handle: FileHandle, signal: AbortSignal | undefined): Promise<Omit<FileSum, 'name'>> {
  const sum = createHash('sha256');
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  for (let bytes = 0; ;) {
    checkAborted(signal);
    const { bytesRead } = await handle.read(piece, 0, piece.length, bytes);
    if (bytesRead === 0) return { bytes, sha256: sum.digest('hex') };
    sum.update(piece.subarray(0, bytesRead));
    bytes += bytesRead;
  }
}

/** Gives what `look` gives; null where there is no such file, and a QuantizeError for what cannot be read. */
async function found<Value>(file: string, look: () => Promise<Value>): Promise<Value | null> {
  try {
    return await look();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw readFailure(file, error);
  }
}

/** Opens a file to read it. Of pipes, which others have to write to, it waits for nothing. */
async function openRegular(file: string): Promise<FileHandle> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    checkRegular(await handle.stat());
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function textIn(file: string, mostBytes: number): Promise<ReadText> {
  const handle = await openRegular(file);
  try {
    const { size, mtimeMs } = await handle.stat();
    if (size > mostBytes) throw new Error(`it has ${size} bytes, more than ${mostBytes}`);
    return { text: await handle.readFile('utf8'), changed: mtimeMs };
  } finally {
    await handle.close();
  }
}

const folderOf = (output: string, isFolder: boolean): string => (isFolder ? output : path.dirname(output));

/** Outputs by path. */
export const outputFiles: OutputFiles = {
  pathOf: (output, isFolder, name) => path.join(folderOf(output, isFolder), path.basename(name)),
  isFolder: async (output) => (await found(output, () => stat(output)))?.isDirectory() ?? false,
  list: async (output, isFolder) => (await found(output, () => readdir(folderOf(output, isFolder)))) ?? [],
  readText: (file, mostBytes) => found(file, () => textIn(file, mostBytes)),
  sumOf: (file, signal) => found(file, () => summed(file, signal)),
  remove: async (file) => {
    await found(file, () => unlink(file));
  },
};
