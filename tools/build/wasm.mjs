import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync, copyFileSync } from 'node:fs';
import path from 'node:path';
import { inProject } from '../lib/paths.mjs';
import { cmakeBuild } from './cmake.mjs';
import { adaptGlue, minifyGlue } from './glue.mjs';

const kFlavours = ['threads', 'single'];

/** Environment in which CMake's wasm presets find the compiler. */
export function wasmEnvironment(emscripten) {
  return { ...emscripten.env, ARROWQUANT_EMSCRIPTEN: emscripten.folder };
}

/** Builds both flavours and puts their glues and wasm files into `folder`, which appears only when complete. */
export async function buildWasm(emscripten, folder, say) {
  const staging = `${folder}.new`;
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(staging, { recursive: true });
  for (const flavour of kFlavours) {
    say(`WebAssembly, ${flavour === 'threads' ? 'with threads' : 'single-threaded'}`);
    await cmakeBuild(`wasm-${flavour}`, [`arrowquant-${flavour}`], wasmEnvironment(emscripten));
    await collect(flavour, inProject('build', `wasm-${flavour}`), staging);
  }
  rmSync(folder, { recursive: true, force: true });
  renameSync(staging, folder);
}

async function collect(flavour, from, to) {
  const glue = `arrowquant-${flavour}.js`;
  const text = adaptGlue(readFileSync(path.join(from, glue), 'utf8'), flavour === 'threads');
  writeFileSync(path.join(to, glue), await minifyGlue(text, glue));
  const wasm = `arrowquant-${flavour}.wasm`;
  copyFileSync(path.join(from, wasm), path.join(to, wasm));
}
