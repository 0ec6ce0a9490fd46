import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { inProject } from '../../tools/lib/paths.mjs';
import { differencesOfCopy } from '../../tools/build/extension.mjs';

const kAdded = ['js/containers/crate.ts', 'js/layouts/folders.ts', 'src/codecs/row_signs.cc'];
const kTables = ['js/containers/table.ts', 'js/layouts/table.ts', 'src/codecs/codecs.def'];
const kGenerated = 'js/codecs/table.ts';

const linesOf = (root, name) => readFileSync(inProject(root, name), 'utf8').split('\n');

test('a codec, a layout and a container are a file each, and their lines in the tables', () => {
  expect(differencesOfCopy()).toEqual([...kAdded, ...kTables, kGenerated].sort());
  for (const name of kTables) {
    const before = new Set(linesOf('.', name));
    const after = linesOf('build/extension', name);
    // The name in the list, and for TypeScript where it comes from.
    expect(after.filter((line) => !before.has(line)).length).toBeLessThanOrEqual(2);
  }
});

test('the table of codecs that TypeScript reads is made from the line in codecs.def', () => {
  const added = linesOf('build/extension', kGenerated).filter((line) => !linesOf('.', kGenerated).includes(line));
  expect(added).toContain("    name: 'row_signs',");
});

test('who depends on whom is as it should be', () => {
  const script = inProject('build/extension/tools/check-arrows.mjs');
  const { stdout, status } = spawnSync(process.execPath, [script], { encoding: 'utf8' });
  expect({ stdout, status }).toEqual({ stdout: '', status: 0 });
});
