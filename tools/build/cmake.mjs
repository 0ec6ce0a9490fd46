import { existsSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { inProject } from '../lib/paths.mjs';
import { run, runOrThrow, which } from '../lib/run.mjs';

/** Configures a preset of CMakePresets.json; costs little when that was done before. */
export async function cmakeConfigure(preset, env = process.env) {
  const generator = which('ninja') ? 'Ninja' : 'Unix Makefiles';
  // An empty launcher takes back the one that the folder was configured with.
  const launcher = `-DCMAKE_CXX_COMPILER_LAUNCHER=${which('ccache') ?? ''}`;
  const parameters = ['--preset', preset, '-G', generator, launcher];
  const options = { cwd: inProject(), env };
  if ((await run('cmake', parameters, options)).code === 0) return;
  // A compiler or generator that has changed since the folder was made: CMake wants a fresh start.
  rmSync(inProject('build', preset), { recursive: true, force: true });
  await runOrThrow(`Configuring ${preset}`, 'cmake', parameters, options);
}

/** Configures a preset and builds `targets` of it. */
export async function cmakeBuild(preset, targets, env = process.env) {
  await cmakeConfigure(preset, env);
  const folder = inProject('build', preset);
  const flags = ['--parallel', String(availableParallelism()), ...targets.flatMap((target) => ['--target', target])];
  const options = { env: { ...env, ...compilerCache(preset, env) } };
  await runOrThrow(`Building ${preset}`, 'cmake', ['--build', folder, ...flags], options);
}

/** How ccache, where there is one, finds in one clone what was compiled in another. */
function compilerCache(preset, env) {
  // Paths below the project count from the build folder, whose own path is in nothing but debug information.
  const settings = { CCACHE_BASEDIR: inProject(), CCACHE_NOHASHDIR: '1' };
  const emscripten = env.ARROWQUANT_EMSCRIPTEN;
  if (!preset.startsWith('wasm') || emscripten === undefined) return settings;
  // em++ is a script in front of clang: neither its name nor its date says which compiler it is.
  const file = path.join(emscripten, 'emscripten-version.txt');
  const version = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
  return { ...settings, CCACHE_COMPILERTYPE: 'clang', CCACHE_COMPILERCHECK: `string:${emscripten} ${version}` };
}
