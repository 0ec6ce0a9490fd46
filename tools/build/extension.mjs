/**
 * The package as somebody would have it who adds a codec, a layout and a container: a copy of its sources in
 * build/extension with the files of tests/extension/source and the lines of tests/extension/lines.json, built by the copy's
 * own tools.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync } from 'node:fs';
import { rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { withLock } from '../lib/lock.mjs';
import { inProject } from '../lib/paths.mjs';
import { SetupError } from '../lib/run.mjs';
import { setUp } from '../setup.mjs';

const say = (text) => console.log(`[extension] ${text}`);

const inCopy = (...parts) => inProject('build/extension', ...parts);

/** All that a build of the package reads. */
const kSources = [
  ...['src', 'js', 'cmake', 'bench', 'tests/cpp', 'tools', 'CMakeLists.txt', 'CMakePresets.json', 'emsdk.lock'],
  ...['package.json', 'tsconfig.json'],
];

/** What the build writes into the sources. */
const kGenerated = 'js/codecs/table.ts';

/** Brings the extended package up to date; does nothing when nothing has changed. */
export async function buildExtension() {
  const onWait = (owner) => say(`process ${owner} is building; waiting for it`);
  await withLock(inProject('build/extension.lock'), buildLocked, onWait);
}

async function buildLocked() {
  const emscripten = await setUp();
  const files = extendedSources();
  const stamp = stampOf(files);
  const stampFile = inCopy('build/stamp');
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp && existsSync(inCopy('dist'))) return;
  rmSync(stampFile, { force: true });
  writeCopy(files);
  const [{ buildWasm }, { writeTables }, { packageJavaScript }] = await Promise.all(
    ['wasm', 'codec-table', 'package'].map((name) => import(pathToFileURL(inCopy(`tools/build/${name}.mjs`)).href)),
  );
  const wasm = inCopy('build/wasm');
  await buildWasm(emscripten, wasm, say);
  await writeTables(wasm, say);
  const staging = inCopy('build/dist.new');
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(staging, { recursive: true });
  say('TypeScript');
  const modules = inCopy('build/modules');
  rmSync(modules, { recursive: true, force: true });
  await packageJavaScript(staging, wasm, modules);
  rmSync(inCopy('dist'), { recursive: true, force: true });
  renameSync(staging, inCopy('dist'));
  writeFileSync(stampFile, stamp);
}

/** The sources as they are to be in the copy, by name. */
function extendedSources() {
  const files = filesUnder(inProject(), kSources);
  for (const { file, from, to } of JSON.parse(readFileSync(inProject('tests/extension/lines.json'), 'utf8'))) {
    const pieces = files.get(file).toString().split(from);
    if (pieces.length !== 2) throw new SetupError(`${file} has not once: ${from}\nAdapt tests/extension/lines.json.`);
    files.set(file, Buffer.from(pieces.join(to)));
  }
  for (const [name, contents] of filesUnder(inProject('tests/extension/source'), ['src', 'js'])) {
    if (files.has(name)) throw new SetupError(`tests/extension/source/${name} is a file of the package already.`);
    files.set(name, contents);
  }
  return files;
}

/** Writes what is new or has changed, so that its builds are as quick as others. */
function writeCopy(files) {
  for (const name of filesUnder(inCopy(), kSources).keys()) {
    if (!files.has(name)) rmSync(inCopy(name));
  }
  for (const [name, contents] of files) {
    const file = inCopy(name);
    const isThere = existsSync(file);
    if (isThere && (name === kGenerated || readFileSync(file).equals(contents))) continue;
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, contents);
  }
  // For reading only: nothing in the copy installs anything.
  const packages = inCopy('node_modules');
  if (!existsSync(packages)) symlinkSync(inProject('node_modules'), packages, 'junction');
}

/** Names of the copy's sources that are not as in the package: changed, added, or missing. */
export function differencesOfCopy() {
  const [copied, own] = [inCopy(), inProject()].map((folder) => filesUnder(folder, kSources));
  const isSame = (name) => copied.has(name) && own.has(name) && copied.get(name).equals(own.get(name));
  return [...new Set([...copied.keys(), ...own.keys()])].filter((name) => !isSame(name)).sort();
}

function stampOf(files) {
  const hash = createHash('sha256');
  for (const [name, contents] of files) hash.update(`${name}\0${contents.length}\0`).update(contents);
  return hash.digest('hex');
}

/** Contents of the files that are, or lie in, `starts`, by their names from `folder`. */
function filesUnder(folder, starts) {
  const read = (name) => {
    const place = path.join(folder, name);
    if (!existsSync(place)) return [];
    if (!statSync(place).isDirectory()) return [[name, readFileSync(place)]];
    return readdirSync(place)
      .sort()
      .flatMap((entry) => read(`${name}/${entry}`));
  };
  return new Map(starts.flatMap(read));
}
