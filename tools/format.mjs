#!/usr/bin/env node
/** Brings every source into the layout that the checks ask for. */
import { inProject, projectRoot } from './lib/paths.mjs';
import { runMain, runOrThrow } from './lib/run.mjs';
import { setUpMachine } from './setup.mjs';
import { findNeed } from './setup/needs.mjs';
import { ensureNpmPackages } from './setup/npm.mjs';
import { cppFiles } from './test/checks.mjs';

runMain(async () => {
  await setUpMachine(['clangFormat']);
  await ensureNpmPackages((text) => console.log(`[set-up] ${text}`));
  const prettier = inProject('node_modules/prettier/bin/prettier.cjs');
  const options = { cwd: projectRoot };
  await runOrThrow('prettier', process.execPath, [prettier, '--write', '--log-level=warn', '.'], options);
  await runOrThrow('clang-format', findNeed('clangFormat'), ['-i', ...cppFiles()], options);
});
