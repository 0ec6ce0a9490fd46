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
import { digestOf, isKnownGood, rememberGood, textsOf } from './lib/verdicts.mjs';
import { setUpMachine } from './setup.mjs';
import { findNeed, kNativeNeeds } from './setup/needs.mjs';

const kPreset = 'native-asan';

runMain(async () => {
  await setUpMachine([...kNativeNeeds, 'clangTidy']);
  const clangTidy = findNeed('clangTidy');
  await cmakeConfigure(kPreset);
  const commands = JSON.parse(readFileSync(inProject('build', kPreset, 'compile_commands.json'), 'utf8'));
  const pending = commands.filter(({ file }) => file.startsWith(inProject('src')));
  const common = [(await run(clangTidy, ['--version'])).stdout, readFileSync(inProject('.clang-tidy'), 'utf8')];
  common.push(...textsOf(inProject('tests/cpp/simde/wasm_simd128.h')));
  let failed = 0;
  const worker = async () => {
    for (let one = pending.pop(); one !== undefined; one = pending.pop()) {
      const { file, command } = one;
      const digest = digestOf([...common, command.replaceAll(inProject(), '.'), ...textsOf(file)]);
      if (isKnownGood(digest)) continue;
      // The build folder's commands are g++'s: sanitizer flags mean the same to clang, and the rest is plain.
      const { code, stdout } = await run(clangTidy, ['--quiet', '-p', inProject('build', kPreset), file]);
      if (code === 0) {
        rememberGood(digest);
        continue;
      }
      failed += 1;
      console.log(`${shown(file)}\n${stdout}`);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  if (failed > 0) throw new SetupError(`clang-tidy has objections in ${failed} files.`);
  console.log('clang-tidy has no objections');
});
