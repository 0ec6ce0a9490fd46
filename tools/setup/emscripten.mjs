import { existsSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { SetupError, which } from '../lib/run.mjs';
import { debianFlavour } from './host.mjs';
import { ensureUnpacked, isUnpacked, readLock, unpackedFolder } from './unpacked.mjs';

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
  if (!isUnpacked('emscripten')) return null;
  const root = unpackedFolder('emscripten');
  return describe(path.join(root, 'usr/share/emscripten'), `Debian's packages in ${root}`, {
    EM_CONFIG: path.join(root, 'emscripten.config'),
    EM_NODE_JS: process.execPath,
  });
}

/** The locked Emscripten, set up if need be. */
export async function ensureEmscripten(say) {
  const found = findEmscripten();
  if (found !== null) return found;
  const lock = readLock();
  if (debianFlavour() === null) throw new SetupError(adviceFor(lock));
  await ensureUnpacked('emscripten', `Emscripten ${lock.version} is`, say, writeConfig);
  return findEmscripten();
}

/** Why this machine cannot have the locked Emscripten without its user's help, or null. */
export function emscriptenAdvice() {
  return findEmscripten() === null && debianFlavour() === null ? adviceFor(readLock()) : null;
}

function writeConfig(root) {
  const at = (name) => JSON.stringify(path.join(root, name));
  const config = [
    `LLVM_ROOT = ${at('usr/lib/llvm-19/bin')}`,
    `BINARYEN_ROOT = ${at('usr')}`,
    `CACHE = ${at('usr/share/emscripten/cache')}`,
    `NODE_JS = ${JSON.stringify(process.execPath)}`,
  ];
  writeFileSync(path.join(root, 'emscripten.config'), `${config.join('\n')}\n`);
  // Emscripten's own scripts look for acorn in a node_modules folder beside them.
  const modules = path.join(root, 'usr/share/emscripten/node_modules');
  mkdirSync(modules, { recursive: true });
  symlinkSync('../../nodejs/acorn', path.join(modules, 'acorn'));
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
