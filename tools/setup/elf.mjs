import {
  closeSync,
  existsSync,
  openSync,
  readSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { run, runOrThrow } from '../lib/run.mjs';

const kLibraries = 'usr/lib/x86_64-linux-gnu';
const kLoader = `${kLibraries}/ld-linux-x86-64.so.2`;

/** The `e_type` of programs that are linked for a fixed address. */
const kFixedAddress = 2;
const kWrapped = '.elf';

/** Its modules bring libraries that the program itself does not name. */
const kPythonProof = `
import bz2, ctypes, hashlib, json, lzma, multiprocessing, ssl, subprocess, sys, zlib
files = {line.split()[-1] for line in open('/proc/self/maps') if '.so' in line}
sys.exit(' '.join(file for file in files if not file.startswith(sys.argv[1])) or 0)`;

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
  const [loader, ...settings] = loaderOf(staging);
  const patch = (what, words) => runOrThrow(what, loader, [...settings, inStaging('usr/bin/patchelf'), ...words]);
  const runPath = ['--force-rpath', '--set-rpath', path.join(target, kLibraries)];
  const named = new Set(programs.map((name) => realpathSync(inStaging(name))));
  const fixed = [...named].filter((file) => typeOf(file) === kFixedAddress);
  const movable = [...named].filter((file) => !fixed.includes(file));
  await patch('Adapting the programs', ['--set-interpreter', path.join(target, kLoader), ...runPath, ...movable]);
  // A library with a run path of its own makes the loader pass over the program's, and look in the host's folders.
  for (const library of elfFiles(inStaging(kLibraries))) {
    const own = await patch(`Reading ${library}`, ['--print-rpath', library]);
    if (own.trim() !== '') await patch(`Adapting ${library}`, [...runPath, library]);
  }
  for (const folder of new Set([...named].map((file) => path.dirname(file)))) {
    for (const file of elfFiles(folder)) if (!named.has(file)) rmSync(file);
  }
  const staged = realpathSync(staging);
  for (const file of fixed) wrap(file, target, path.join(target, path.relative(staged, file)));
}

/** Programs with a fixed address do not survive patchelf: a script has the loader run them, under the script's name. */
function wrap(file, target, name) {
  renameSync(file, `${file}${kWrapped}`);
  const words = [...loaderOf(target), '--argv0', name, `${name}${kWrapped}`];
  const quoted = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  writeFileSync(file, `#!/bin/sh\nexec ${quoted} "$@"\n`, { mode: 0o755 });
}

/** The loader of the tree, told where the libraries are. */
function loaderOf(root) {
  return [path.join(root, kLoader), '--library-path', path.join(root, kLibraries)];
}

function elfFiles(folder) {
  const files = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
  return files.map(({ name }) => path.join(folder, name)).filter(isElf);
}

const isElf = (file) => typeOf(file) !== null;

/** The `e_type` of an ELF file, or null for others. */
function typeOf(file) {
  const handle = openSync(file, 'r');
  const header = Buffer.alloc(18);
  readSync(handle, header, 0, header.length, 0);
  closeSync(handle);
  return header.toString('latin1', 0, 4) === '\x7fELF' ? header.readUInt16LE(16) : null;
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
    const strangers = strangersIn(await librariesOf(program, target, env), target);
    if (strangers.length > 0) return `${name} takes libraries from outside of its folder: ${strangers.join(', ')}`;
    const isPython = path.basename(name) === 'python3';
    const proof = isPython ? ['-c', kPythonProof, `${realpathSync(target)}${path.sep}`] : ['--version'];
    const { code, stderr } = await tryToRun(program, proof, env);
    if (code !== 0) return `${name} ends with exit code ${code}: ${stderr.trim().split('\n').at(-1)}`;
  }
  return null;
}

/** What the loader has to say about where a program's libraries are. */
async function librariesOf(program, target, env) {
  const wrapped = existsSync(program) ? `${realpathSync(program)}${kWrapped}` : program;
  if (!existsSync(wrapped)) return (await tryToRun(program, [], { ...env, LD_TRACE_LOADED_OBJECTS: '1' })).stdout;
  const [loader, ...settings] = loaderOf(target);
  return (await tryToRun(loader, [...settings, '--list', wrapped], env)).stdout;
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
