#!/usr/bin/env node
/**
 * clang-tidy over the sources of a native build (everything but src/bindings, which only Emscripten can read). A file that
 * it had no objections to is read again when it, what it includes, its flags, the checks or clang-tidy have changed.
 */
import { availableParallelism } from 'node:os';
import { readFileSync } from 'node:fs';
import { cmakeConfigure } from './build/cmake.mjs';
import { inProject, shown } from './lib/paths.mjs';
import { SetupError, run, runMain } from './lib/run.mjs';
import { inputsOf, isGood } from './lib/verdicts.mjs';
import { setUpMachine } from './setup.mjs';
import { findNeed, kNativeNeeds } from './setup/needs.mjs';

const kPreset = 'native-asan';

runMain(async () => {
  await setUpMachine([...kNativeNeeds, 'clangTidy']);
  const clangTidy = findNeed('clangTidy');
  await cmakeConfigure(kPreset);
  const commands = JSON.parse(readFileSync(inProject('build', kPreset, 'compile_commands.json'), 'utf8'));
  const pending = commands.filter(({ file }) => file.startsWith(inProject('src')));
  const version = (await run(clangTidy, ['--version'])).stdout;
  const inputs = async (one) => {
    const texts = await inputsOf(one);
    return texts === null ? null : [version, readFileSync(inProject('.clang-tidy'), 'utf8'), ...texts];
  };
  let failed = 0;
  const worker = async () => {
    for (let one = pending.pop(); one !== undefined; one = pending.pop()) {
      const good = await isGood(
        () => inputs(one),
        async () => {
          // The build folder's commands are g++'s: sanitizer flags mean the same to clang, and the rest is plain.
          const { code, stdout } = await run(clangTidy, ['--quiet', '-p', inProject('build', kPreset), one.file]);
          if (code !== 0) console.log(`${shown(one.file)}\n${stdout}`);
          return code === 0;
        },
      );
      if (!good) failed += 1;
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  if (failed > 0) throw new SetupError(`clang-tidy has objections in ${failed} files.`);
  console.log('clang-tidy has no objections');
});
