import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { withLock } from '../lib/lock.mjs';
import { inProject } from '../lib/paths.mjs';
import { SetupError } from '../lib/run.mjs';
import { unpackFromDebian } from './debian.mjs';
import { faultOf } from './elf.mjs';

/** What makes the trees, besides the lock: a tree that other code has made is another tree. */
const kMakers = ['debian', 'elf', 'emscripten', 'unpacked'].map((name) =>
  readFileSync(inProject('tools/setup', `${name}.mjs`)),
);

/** The lock's content. */
export function readLock() {
  return JSON.parse(readFileSync(inProject('emsdk.lock'), 'utf8'));
}

/**
 * Where a tree of Debian's packages goes: in $ARROWQUANT_TOOLCHAIN or the user's cache, a folder named after its recipe.
 *
 * @param {'emscripten' | 'programs'} kind
 */
export function unpackedFolder(kind) {
  const cache = process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache');
  const parent = path.resolve(process.env.ARROWQUANT_TOOLCHAIN || path.join(cache, 'arrowquant'));
  const { version, debian } = readLock();
  const hash = createHash('sha256').update(JSON.stringify([version, debian.suite, debian[kind]]));
  for (const text of kMakers) hash.update(text);
  const name = kind === 'emscripten' ? `${kind}-${version}` : kind;
  return path.join(parent, `${name}-${hash.digest('hex').slice(0, 8)}`);
}

/** The last thing that is written. */
const proofIn = (root) => path.join(root, 'proven');

/** Whether the tree is there, and all of its programs have run. */
export function isUnpacked(kind) {
  return existsSync(proofIn(unpackedFolder(kind)));
}

/**
 * Unpacks a tree unless it is there.
 *
 * @param {'emscripten' | 'programs'} kind
 * @param {string} title continues "… is not here yet"
 * @param {(text: string) => void} say
 * @param {(root: string) => void} finish what is left to write once the tree is in its place
 * @returns {Promise<string>} the tree's folder
 */
export async function ensureUnpacked(kind, title, say, finish = () => {}) {
  const root = unpackedFolder(kind);
  if (isUnpacked(kind)) return root;
  const { debian } = readLock();
  const unpack = async () => {
    if (isUnpacked(kind)) return;
    say(`${title} not here yet; unpacking Debian's packages into ${root} (nothing else is changed)`);
    rmSync(root, { recursive: true, force: true });
    await unpackFromDebian(root, debian, debian[kind], (text) => say(`  ${text}`));
    finish(root);
    const fault = await faultOf(root, debian[kind]);
    if (fault !== null) {
      rmSync(root, { recursive: true, force: true });
      throw new SetupError(`Debian's packages, unpacked into ${root}, do not run on this machine: ${fault}`);
    }
    writeFileSync(proofIn(root), 'Every program of this folder has been run, with libraries of this folder only.\n');
  };
  await withLock(`${root}.lock`, unpack, (owner) => say(`process ${owner} is unpacking them; waiting for it`));
  return root;
}
