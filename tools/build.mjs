#!/usr/bin/env node
/**
 * Builds the package into dist/: both wasm flavours with their glues, and the TypeScript. Does nothing when nothing has
 * changed; `--force` builds all the same.
 */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeTables } from './build/codec-table.mjs';
import { packageJavaScript } from './build/package.mjs';
import { checkSizes, sizeTable } from './build/sizes.mjs';
import { isFresh, markFresh, stampOf } from './build/stamp.mjs';
import { buildWasm } from './build/wasm.mjs';
import { withLock } from './lib/lock.mjs';
import { inProject, shown } from './lib/paths.mjs';
import { runMain } from './lib/run.mjs';
import { setUp } from './setup.mjs';

const say = (text) => console.log(`[build] ${text}`);

/** Inputs by stage: a stage runs again when one of its files has changed. */
const kWasmInputs = [
  ...['src', 'cmake', 'CMakeLists.txt', 'CMakePresets.json', 'emsdk.lock'],
  ...['cmake', 'wasm', 'glue'].map((name) => `tools/build/${name}.mjs`),
];
/** The modules that the package is made of, which tests look into. */
const kModules = 'build/modules';

const kPackageInputs = [...kWasmInputs, 'js', 'package.json', 'package-lock.json', 'tsconfig.json', 'tools/build'];

/** Brings dist/ up to date. Returns whether there was anything to do. */
export async function build({ force = false } = {}) {
  if (!force && isUpToDate()) return false;
  const onWait = (owner) => say(`process ${owner} is building; waiting for it`);
  return withLock(inProject('build/build.lock'), () => buildLocked(force), onWait);
}

function isUpToDate() {
  const isThere = existsSync(inProject('dist/index.js')) && existsSync(inProject(kModules));
  return isThere && isFresh('wasm', kWasmInputs) && isFresh('package', kPackageInputs);
}

async function buildLocked(force) {
  if (!force && isUpToDate()) return false;
  const emscripten = await setUp();
  const wasm = inProject('build/wasm');
  // Stamps are taken before the work: a file that changes meanwhile makes the next build do it again.
  const wasmStamp = stampOf(kWasmInputs);
  if (force || !existsSync(wasm) || !isFresh('wasm', kWasmInputs)) {
    await buildWasm(emscripten, wasm, say);
    markFresh('wasm', wasmStamp);
  }
  await writeTables(wasm, say);
  const packageStamp = stampOf(kPackageInputs);
  const staging = inProject('build/dist.new');
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(staging, { recursive: true });
  say('TypeScript and the CommonJS bundle');
  const modules = `${inProject(kModules)}.new`;
  rmSync(modules, { recursive: true, force: true });
  await packageJavaScript(staging, wasm, modules);
  const sizes = checkSizes(staging);
  swapIn(modules, inProject(kModules));
  swapIn(staging, inProject('dist'));
  markFresh('package', packageStamp);
  say(`dist/ is ready\n${sizeTable(sizes)}`);
  return true;
}

/** Programs that run from dist/ meanwhile see the old or the new one, and only for an instant none. */
function swapIn(staging, target) {
  const old = `${inProject('build', path.basename(target))}.old`;
  rmSync(old, { recursive: true, force: true });
  if (existsSync(target)) renameSync(target, old);
  renameSync(staging, target);
  rmSync(old, { recursive: true, force: true });
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  runMain(async () => {
    const worked = await build({ force: process.argv.includes('--force') });
    if (!worked) say(`${shown(inProject('dist'))}/ is up to date`);
  });
}
