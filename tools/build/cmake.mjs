import { existsSync, readdirSync, realpathSync, rmSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { inProject } from '../lib/paths.mjs';
import { SetupError, run, runOrThrow, which } from '../lib/run.mjs';

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
  const options = { env: { ...env, ...(await compilerCache(preset, env)) } };
  await runOrThrow(`Building ${preset}`, 'cmake', ['--build', folder, ...flags], options);
}

/** How ccache, where there is one, finds in one clone what was compiled in another. */
async function compilerCache(preset, env) {
  // Paths below the project count from the build folder, whose own path is in nothing but debug information.
  const settings = { CCACHE_BASEDIR: inProject(), CCACHE_NOHASHDIR: '1' };
  const emscripten = env.ARROWQUANT_EMSCRIPTEN;
  if (!preset.startsWith('wasm') || emscripten === undefined || which('ccache') === null) return settings;
  const check = `string:${await compilerIdentity(emscripten, env)}`;
  return { ...settings, CCACHE_COMPILERTYPE: 'clang', CCACHE_COMPILERCHECK: check };
}

/**
 * What tells one Emscripten's compiler from another's. em++ is a script in front of clang, whose work is done in libraries:
 * neither its name nor its date says which compiler it is.
 *
 * @param {string} emscripten the folder of em++
 * @param {NodeJS.ProcessEnv} env to run it with
 */
export async function compilerIdentity(emscripten, env) {
  const { code, stdout, stderr } = await run(path.join(emscripten, 'em++'), ['-v'], { env });
  const words = `${stdout}${stderr}`.trim();
  const programs = /^InstalledDir: (.+)$/m.exec(words)?.[1];
  if (code !== 0 || programs === undefined) throw new SetupError(`em++ -v does not say where clang is.\n${words}`);
  // Between them the first run tells that it looks after itself.
  const versions = words.match(/^(emcc .*|.*clang version .*)$/gm) ?? [];
  const libraries = compilerLibraries(path.join(programs, '../lib'));
  const files = [path.join(programs, 'clang'), ...libraries];
  const states = files.filter((file) => existsSync(file)).map((file) => `${file} ${stateOf(file)}`);
  return [emscripten, ...versions, ...states].join(' ').replace(/\s+/g, ' ');
}

/** LLVM's shared libraries in `folder`; Debian keeps some of them where the others' links lead. */
function compilerLibraries(folder) {
  const librariesIn = (place) => {
    const names = existsSync(place) ? readdirSync(place).sort() : [];
    return names.filter((name) => /^lib(LLVM|clang-cpp)\b.*\.(so|dylib)\b/.test(name)).map((name) => path.join(place, name));
  };
  const files = librariesIn(folder).map((file) => realpathSync(file));
  const places = new Set(files.map((file) => path.dirname(file)));
  return [...new Set([...files, ...[...places].flatMap(librariesIn)])];
}

function stateOf(file) {
  const { size, mtimeMs } = statSync(file);
  return `${size} ${mtimeMs}`;
}
