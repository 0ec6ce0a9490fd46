import { access, constants, open, readlink, realpath, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import { QuantizeError } from '../../errors.js';
import type { ByteSource } from '../../io/byte-io.js';
import { codeOf } from '../failures.js';
import { checkRegular, isInput } from './source.js';

/** A file to be written, and what its rename has to replace. */
export interface Target {
  /** What error messages call it. */
  readonly name: string;
  /** Links are followed. */
  readonly path: string;
  /** Permissions of the file that is there; null when there is none. */
  readonly mode: number | null;
  readonly bytes: number;
}

const PERMISSIONS = 0o777n;

/** Where a file called `name` would be made: links that lead to nothing yet are followed, which `realpath` refuses. */
async function newPath(name: string): Promise<string> {
  const folder = await realpath(path.dirname(name));
  const link = await readlink(name).catch(() => null);
  if (link === null) return path.join(folder, path.basename(name));
  // Not joined: `..` behind a link to a folder means the parent of what it leads to.
  return newPath(path.isAbsolute(link) ? link : `${folder}${path.sep}${link}`);
}

/** Throws what speaks against a file called `name`. */
export async function checkTarget(name: string, bytes: number, inputs: readonly ByteSource[]): Promise<Target> {
  const about = await stat(name, { bigint: true }).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  });
  if (about === null) return { name, path: await newPath(name), mode: null, bytes };
  checkRegular(about);
  if (isInput(about, inputs)) throw new Error('it is the input');
  await access(name, constants.W_OK);
  return { name, path: await realpath(name), mode: Number(about.mode & PERMISSIONS), bytes };
}

/** Throws when there is no room for all of the files; links may lead to several disks. */
export async function checkTargetsRoom(targets: readonly Target[]): Promise<void> {
  const needs = new Map<string, { readonly name: string; readonly bytes: number }>();
  for (const target of targets) {
    const folder = path.dirname(target.path);
    const { name, bytes } = needs.get(folder) ?? { name: target.name, bytes: 0 };
    needs.set(folder, { name, bytes: bytes + target.bytes });
  }
  for (const [folder, { name, bytes }] of needs) await checkRoom(folder, bytes, name);
}

async function checkRoom(folder: string, bytes: number, name: string): Promise<void> {
  const room = await statfs(folder).catch(() => null);
  // Deno refuses the question without --allow-sys. Writing tells as well, only later.
  if (room === null) return;
  const { bavail, blocks, bsize } = room;
  const free = bavail * bsize;
  // Some network file systems and some in user space do not say how much is free: all numbers are 0, or all but the size.
  if (bsize === 0 || blocks === 0 || (bavail === 0 && bytes === 0) || bytes <= free) return;
  throw new QuantizeError('disk_full', { file: name, detail: `it needs ${bytes} bytes, but only ${free} are free` });
}

/** Makes a rename durable. Some systems cannot open folders; there the rename is as durable as they make it. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => null);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}
