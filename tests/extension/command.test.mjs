/** The command line knows what was added without being told. */
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { inProject } from '../../tools/lib/paths.mjs';
import { useFolder } from '../js/support/models/folder.mjs';
import { kModel } from './support/models.mjs';

const folder = useFolder();

function run(...parameters) {
  const script = inProject('build/extension/dist/cli/main.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...parameters], {
    ...{ cwd: folder.at, encoding: 'utf8' },
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

test('quantize lists it, plans it and writes it', () => {
  expect(run('quantize', '--help').replace(/\s+/gu, ' ')).toMatch(/"row_signs".* "planes", "folders", "plain"/u);
  folder.write('source.safetensors', kModel);
  const parameters = ['quantize', 'source.safetensors', 'output.crate', '--type', 'ROW_SIGNS', '--layout', 'folders'];
  const plan = JSON.parse(run(...parameters, '--dry-run', '--json'));
  expect(folder.list()).toEqual(['source.safetensors']);
  const report = JSON.parse(run(...parameters, '--json'));
  const { size } = statSync(folder.path('output.crate'));
  expect(plan.output).toEqual({ container: 'crate', layout: 'folders', files: 1, bytes: size });
  expect(report).toMatchObject({ type: 'row_signs', files: ['output.crate'] });
  expect(run('inspect', 'output.crate')).toContain('row_signs');
  expect(run('compare', 'source.safetensors', 'output.crate')).toContain('row_signs');
  run('dequantize', 'output.crate', 'restored.safetensors', '--quiet');
  expect(folder.list()).toEqual(['output.crate', 'restored.safetensors', 'source.safetensors']);
});

test('without an output, the type is in its name', () => {
  folder.write('source.safetensors', kModel);
  run('quantize', 'source.safetensors', '--type', 'row_signs', '--quiet');
  expect(folder.list()).toEqual(['source-row_signs.safetensors', 'source.safetensors']);
});
