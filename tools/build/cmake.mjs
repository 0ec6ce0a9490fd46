import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { inProject } from '../lib/paths.mjs';
import { run, runOrThrow, which } from '../lib/run.mjs';

/** Configures a preset of CMakePresets.json; costs little when that was done before. */
export async function cmakeConfigure(preset, env = process.env) {
  const generator = which('ninja') ? 'Ninja' : 'Unix Makefiles';
  const parameters = ['--preset', preset, '-G', generator];
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
  await runOrThrow(`Building ${preset}`, 'cmake', ['--build', folder, ...flags], { env });
}
