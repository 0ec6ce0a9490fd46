#!/usr/bin/env node
/**
 * Sets up what a fresh clone lacks: the npm dependencies and the Emscripten that emsdk.lock names. What is there already
 * is left alone, so that it costs nothing to run again; it may be interrupted at any time.
 */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { SetupError, runMain } from './lib/run.mjs';
import { ensureEmscripten, findEmscripten } from './setup/emscripten.mjs';
import { checkNode, findPrograms } from './setup/host.mjs';
import { ensureNpmPackages } from './setup/npm.mjs';

const say = (text) => console.log(`[set-up] ${text}`);

/** Everything that a build needs; returns the Emscripten to build with. */
export async function setUp() {
  checkNode();
  findPrograms(['python', 'cmake', 'generator']);
  await ensureNpmPackages(say);
  return ensureEmscripten(say);
}

/** Prints what a shell needs to use CMake's wasm presets by hand: eval "$(node tools/setup.mjs --env)" */
function printEnvironment() {
  const emscripten = findEmscripten();
  if (emscripten === null) throw new SetupError('There is no Emscripten yet; run node tools/setup.mjs first.');
  const variables = { ARROWQUANT_EMSCRIPTEN: emscripten.folder, ...emscripten.settings };
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
