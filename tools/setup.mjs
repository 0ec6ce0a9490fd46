#!/usr/bin/env node
/**
 * Sets up what a build lacks: programs, the npm dependencies, and the Emscripten that emsdk.lock names. What is there
 * already is left alone, so that it costs nothing to run again; it may be interrupted at any time.
 */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { SetupError, runMain } from './lib/run.mjs';
import { emscriptenAdvice, ensureEmscripten, findEmscripten } from './setup/emscripten.mjs';
import { checkNode } from './setup/host.mjs';
import { ensureNeeds, kBuildNeeds, lentPath } from './setup/needs.mjs';
import { ensureNpmPackages } from './setup/npm.mjs';
import { oldTrees } from './setup/old-trees.mjs';

const say = (text) => console.log(`[set-up] ${text}`);

/**
 * Sees to everything that the machine itself must have.
 *
 * @param {Iterable<string>} names of needs (needs.mjs); those of a build bring Emscripten's along
 * @throws {SetupError} before anything is downloaded, if there is something that only the user can bring
 */
export async function setUpMachine(names) {
  checkNode();
  const wanted = new Set(names);
  if (wanted.has('python')) {
    const advice = emscriptenAdvice();
    if (advice !== null) throw new SetupError(advice);
    if (findEmscripten() === null) wanted.add('keyring');
  }
  await ensureNeeds(wanted, say);
}

/** Everything that a build for WebAssembly needs; returns the Emscripten to build with. */
export async function setUp() {
  await setUpMachine(kBuildNeeds);
  await ensureNpmPackages(say);
  const isNew = findEmscripten() === null;
  const emscripten = await ensureEmscripten(say);
  const old = isNew ? oldTrees() : [];
  if (old.length > 0) say(`no longer used here; delete them if no other clone needs them: ${old.join(' ')}`);
  return emscripten;
}

/** Prints what a shell needs to use CMake's wasm presets by hand: eval "$(node tools/setup.mjs --env)" */
function printEnvironment() {
  const emscripten = findEmscripten();
  if (emscripten === null) throw new SetupError('There is no Emscripten yet; run node tools/setup.mjs first.');
  const variables = { ARROWQUANT_EMSCRIPTEN: emscripten.folder, ...emscripten.settings, ...lentPath(kBuildNeeds) };
  for (const [name, value] of Object.entries(variables)) {
    console.log(`export ${name}='${value.replaceAll("'", `'\\''`)}'`);
  }
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  runMain(async () => {
    if (process.argv.includes('--env')) return printEnvironment();
    const emscripten = await setUp();
    say(`ready: Emscripten from ${emscripten.origin}`);
  });
}
