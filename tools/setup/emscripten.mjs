import { createHash } from 'node:crypto';
import { existsSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { withLock } from '../lib/lock.mjs';
import { inProject } from '../lib/paths.mjs';
import { SetupError, which } from '../lib/run.mjs';
import { provesToRun, unpackFromDebian } from './debian.mjs';
import { debianFlavour } from './host.mjs';

const kLockFile = inProject('emsdk.lock');

export function readLock() {
  return JSON.parse(readFileSync(kLockFile, 'utf8'));
}

/**
 * The locked Emscripten, or null when this machine has none yet. Starts no program.
 *
 * @returns {{folder: string, origin: string, settings: Record<string, string>, env: NodeJS.ProcessEnv} | null} `folder`
 *   has em++; run it, and CMake, with `env`, which is this process's with `settings`.
 */
export function findEmscripten(lock = readLock()) {
  for (const { folder, origin } of installedCandidates()) {
    if (versionOf(folder) === lock.version) return describe(folder, origin, {});
  }
  const root = unpackedFolder();
  const folder = path.join(root, 'usr/share/emscripten');
  if (versionOf(folder) !== lock.version) return null;
  return describe(folder, `Debian's packages in ${root}`, {
    EM_CONFIG: path.join(root, 'emscripten.config'),
    EM_NODE_JS: process.execPath,
  });
}

/** The locked Emscripten, set up if need be. */
export async function ensureEmscripten(say) {
  const lock = readLock();
  const found = findEmscripten(lock);
  if (found !== null) return found;
  if (debianFlavour() === null) throw new SetupError(adviceFor(lock));
  const root = unpackedFolder();
  const unpack = async () => {
    if (findEmscripten(lock) !== null) return;
    say(
      `Emscripten ${lock.version} is not here yet; unpacking Debian's packages into ${root} (nothing else is changed)`,
    );
    rmSync(root, { recursive: true, force: true });
    await unpackFromDebian(root, lock.debian, (text) => say(`  ${text}`));
    if (await provesToRun(root)) return;
    rmSync(root, { recursive: true, force: true });
    throw new SetupError(`The unpacked compiler does not run on this machine. ${adviceFor(lock)}`);
  };
  await withLock(`${root}.lock`, unpack, (owner) => say(`process ${owner} is setting Emscripten up; waiting for it`));
  const ready = findEmscripten(lock);
  if (ready === null)
    throw new SetupError(`${root} holds another Emscripten than ${lock.version}; remove it and try again.`);
  return ready;
}

/** Where Debian's packages go: in $ARROWQUANT_TOOLCHAIN or the user's cache, a folder named after the lock's content. */
function unpackedFolder() {
  const cache = process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache');
  const parent = path.resolve(process.env.ARROWQUANT_TOOLCHAIN || path.join(cache, 'arrowquant'));
  const text = readFileSync(kLockFile, 'utf8');
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 8);
  return path.join(parent, `emscripten-${JSON.parse(text).version}-${hash}`);
}

function installedCandidates() {
  const candidates = [];
  const onPath = which('emcc');
  if (onPath !== null)
    candidates.push({ folder: path.dirname(realpathSync(onPath)), origin: `emcc on PATH (${onPath})` });
  if (process.env.EMSDK) {
    candidates.push({
      folder: path.join(process.env.EMSDK, 'upstream/emscripten'),
      origin: `$EMSDK (${process.env.EMSDK})`,
    });
  }
  // Debian's own package has a small script on PATH, which hands over to this folder.
  if (onPath === '/usr/bin/emcc') candidates.push({ folder: '/usr/share/emscripten', origin: 'the system package' });
  return candidates;
}

function versionOf(folder) {
  try {
    return readFileSync(path.join(folder, 'emscripten-version.txt'), 'utf8').replaceAll('"', '').trim();
  } catch {
    return null;
  }
}

function describe(folder, origin, settings) {
  const cmakeToolchain = path.join(folder, 'cmake/Modules/Platform/Emscripten.cmake');
  if (!existsSync(cmakeToolchain))
    throw new SetupError(`The Emscripten in ${folder} is not complete: no ${cmakeToolchain}.`);
  return { folder, origin, settings, env: { ...process.env, ...settings } };
}

function adviceFor(lock) {
  return (
    `ArrowQuant is built with Emscripten ${lock.version}, and this machine has no such emcc on PATH or in $EMSDK. ` +
    `Get it with the Emscripten SDK (https://emscripten.org/docs/getting_started/downloads.html): ${lock.emsdk.install}`
  );
}
