import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync, copyFileSync } from 'node:fs';
import path from 'node:path';
import { inProject } from '../lib/paths.mjs';
import { SetupError } from '../lib/run.mjs';
import { cmakeBuild } from './cmake.mjs';
import { adaptNodeGlue, adaptWebGlue, minifyGlue } from './glue.mjs';

const kFlavours = ['threads', 'single'];

/** Environment in which CMake's wasm presets find the compiler. */
export function wasmEnvironment(emscripten) {
  return { ...emscripten.env, ARROWQUANT_EMSCRIPTEN: emscripten.folder };
}

/** Builds both flavours and puts the four glues and two wasm files into `folder`, which appears only when complete. */
export async function buildWasm(emscripten, folder, say) {
  const staging = `${folder}.new`;
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(staging, { recursive: true });
  for (const flavour of kFlavours) {
    say(`WebAssembly, ${flavour === 'threads' ? 'with threads' : 'single-threaded'}`);
    const targets = [`arrowquant-${flavour}.web`, `arrowquant-${flavour}.node`];
    await cmakeBuild(`wasm-${flavour}`, targets, wasmEnvironment(emscripten));
    await collect(flavour, inProject('build', `wasm-${flavour}`), staging);
  }
  rmSync(folder, { recursive: true, force: true });
  renameSync(staging, folder);
}

async function collect(flavour, from, to) {
  const name = `arrowquant-${flavour}`;
  const wasmOf = (runtime) => path.join(from, `${name}.${runtime}.wasm`);
  if (!readFileSync(wasmOf('web')).equals(readFileSync(wasmOf('node')))) {
    throw new SetupError(`The web and node links of ${name} gave different wasm files; one cannot serve both glues.`);
  }
  copyFileSync(wasmOf('web'), path.join(to, `${name}.wasm`));
  for (const [runtime, adapt] of [['web', adaptWebGlue], ['node', adaptNodeGlue]]) {
    const glue = `${name}.${runtime}.mjs`;
    const text = adapt(readFileSync(path.join(from, glue), 'utf8'), name, flavour === 'threads');
    writeFileSync(path.join(to, glue), await minifyGlue(text, glue));
  }
}
