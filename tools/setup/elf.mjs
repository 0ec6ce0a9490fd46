import { closeSync, openSync, readSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import path from 'node:path';
import { run, runOrThrow } from '../lib/run.mjs';

const kLibraries = 'usr/lib/x86_64-linux-gnu';
const kLoader = `${kLibraries}/ld-linux-x86-64.so.2`;

/** How each program shows that it works; the others are asked for their version. */
const kProofs = {
  // Its modules bring libraries that the program itself does not name.
  python3: ['-c', 'import bz2, ctypes, hashlib, json, lzma, multiprocessing, ssl, subprocess, zlib'],
};

/**
 * Has the programs of a tree of Debian's packages use the libraries of the tree and none of the host's, which may be
 * older, or not be there. Programs that the recipe does not name are removed: nobody has tried them.
 *
 * @param {string} staging where the tree is, with patchelf in it
 * @param {string} target where it is going to be
 * @param {{programs: readonly string[]}} recipe
 */
export async function adaptPrograms(staging, target, { programs }) {
  const inStaging = (name) => path.join(staging, name);
  // patchelf itself needs the newer C library, and isn't patched: the loader is told where it is.
  const loader = inStaging(kLoader);
  const patch = (what, words) =>
    runOrThrow(what, loader, ['--library-path', inStaging(kLibraries), inStaging('usr/bin/patchelf'), ...words]);
  const runPath = ['--force-rpath', '--set-rpath', path.join(target, kLibraries)];
  const named = new Set(programs.map((name) => realpathSync(inStaging(name))));
  await patch('Adapting the programs', [
    ...['--set-interpreter', path.join(target, kLoader)],
    ...[...runPath, ...named],
  ]);
  // A library with a run path of its own makes the loader pass over the program's, and look in the host's folders.
  for (const library of elfFiles(inStaging(kLibraries))) {
    const own = await patch(`Reading ${library}`, ['--print-rpath', library]);
    if (own.trim() !== '') await patch(`Adapting ${library}`, [...runPath, library]);
  }
  for (const folder of new Set([...named].map((file) => path.dirname(file)))) {
    for (const file of elfFiles(folder)) if (!named.has(file)) rmSync(file);
  }
}

function elfFiles(folder) {
  const files = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
  return files.map(({ name }) => path.join(folder, name)).filter(isElf);
}

function isElf(file) {
  const handle = openSync(file, 'r');
  const magic = Buffer.alloc(4);
  readSync(handle, magic, 0, 4, 0);
  closeSync(handle);
  return magic.toString('latin1') === '\x7fELF';
}

/**
 * Runs every program of the tree once, and asks the loader where each of its libraries is.
 *
 * @returns {Promise<string | null>} what is wrong, or null
 */
export async function faultOf(target, { programs }) {
  // What the user's shell adds to every program is no matter of the tree's.
  const env = { ...process.env };
  for (const name of ['LD_PRELOAD', 'LD_LIBRARY_PATH']) delete env[name];
  for (const name of programs) {
    const program = path.join(target, name);
    const listed = await tryToRun(program, [], { ...env, LD_TRACE_LOADED_OBJECTS: '1' });
    const strangers = strangersIn(listed.stdout, target);
    if (strangers.length > 0) return `${name} takes libraries from outside of its folder: ${strangers.join(', ')}`;
    const proof = kProofs[path.basename(name)] ?? ['--version'];
    const { code, stderr } = await tryToRun(program, proof, env);
    if (code !== 0) return `${name} ends with exit code ${code}: ${stderr.trim().split('\n').at(-1)}`;
  }
  return null;
}

async function tryToRun(program, parameters, env) {
  return run(program, parameters, { env }).catch((error) => ({ code: 127, stdout: '', stderr: error.message }));
}

/**
 * The libraries that the loader finds outside of `folder`, or does not find.
 *
 * @param {string} listed what a program prints under LD_TRACE_LOADED_OBJECTS
 */
export function strangersIn(listed, folder) {
  const lines = listed.split('\n').map((line) => line.trim());
  const libraries = lines.filter((line) => line !== '' && !line.startsWith('linux-vdso.so'));
  const places = libraries.map((line) => line.replace(/ \(0x[0-9a-f]+\)$/, '').replace(/^\S+ => /, ''));
  return libraries.filter((_, index) => !places[index].startsWith(`${folder}${path.sep}`));
}
