#!/usr/bin/env node
/** Brings every source into the layout that the checks ask for. */
import { inProject, projectRoot } from './lib/paths.mjs';
import { runMain, runOrThrow } from './lib/run.mjs';
import { setUp } from './setup.mjs';
import { findPrograms } from './setup/host.mjs';
import { cppFiles } from './test/checks.mjs';

runMain(async () => {
  await setUp();
  const { clangFormat } = findPrograms(['clangFormat']);
  const prettier = inProject('node_modules/prettier/bin/prettier.cjs');
  const options = { cwd: projectRoot };
  await runOrThrow('prettier', process.execPath, [prettier, '--write', '--log-level=warn', '.'], options);
  await runOrThrow('clang-format', clangFormat, ['-i', ...cppFiles()], options);
});
