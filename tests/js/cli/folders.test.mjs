import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { useFolder } from '../support/models/folder.mjs';
import { copyTinyLlama, digests, kOfMlxLm } from '../support/models/tiny-llama.mjs';
import { runCommand } from './support/command.mjs';

const folder = useFolder();
const run = (...parameters) => runCommand(['quantize', ...parameters], { cwd: folder.at });

const kMlx = ['--format', 'mlx'];
const kOptions = {
  q4g64: ['--bits', '4', '--group-size', '64'],
  q8g32: ['--bits', '8', '--group-size', '32'],
  mxfp4: ['--type', 'mxfp4'],
  nvfp4: ['--type', 'NVFP4'],
  mixed_3_6: ['--mix', 'mixed_3_6'],
};

test.each(Object.entries(kOptions))('a folder becomes one that is as mlx-lm makes it: %s', async (name, options) => {
  copyTinyLlama(folder.path('tiny'));
  const { code, stdout, stderr } = await run('tiny', 'out', ...kMlx, ...options, '--json');
  expect([code, stderr]).toEqual([0, '']);
  expect(digests(folder.path('out/model.safetensors'))).toEqual(kOfMlxLm[name].tensors);
  expect(JSON.parse(readFileSync(folder.path('out/config.json'), 'utf8'))).toEqual(JSON.parse(kOfMlxLm[name].config));
  expect(JSON.parse(stdout)).toMatchObject({ output: 'out', opensIn: ['mlx-lm'], architecture: 'llama' });
});

test.each([
  [['tiny', ...kMlx], 'tiny-mlx-int4'],
  [['tiny/', ...kMlx, '--bits', '3'], 'tiny-mlx-int3'],
  [['tiny', ...kMlx, '--mix', 'mixed_2_6', '--group-size', '32'], 'tiny-mlx-mixed_2_6'],
  [['tiny', ...kMlx, '--type', 'mxfp8', '--dtype', 'f16'], 'tiny-mlx-mxfp8'],
  [['tiny/model.safetensors', ...kMlx, '--architecture', 'none'], 'tiny/model-mlx-int4'],
])('%j writes to %s', async (parameters, name) => {
  copyTinyLlama(folder.path('tiny'));
  expect(await run(...parameters, '--quiet')).toMatchObject({ code: 0, stderr: '', stdout: '' });
  expect(readdirSync(folder.path(name))).toContain('config.json');
});

test('--dry-run says what would be written, and refuses what would be', async () => {
  copyTinyLlama(folder.path('tiny'));
  const { code, stdout } = await run('tiny', 'out', ...kMlx, '--dry-run', '--json');
  expect(code).toBe(0);
  const plan = JSON.parse(stdout);
  expect(plan.output).toMatchObject({ container: 'safetensors', layout: 'mlx', files: 5 });
  expect(existsSync(folder.path('out'))).toBe(false);
  const written = await run('tiny', 'out', ...kMlx, '--json');
  expect(JSON.parse(written.stdout).totals.fileBytes).toBe(plan.output.bytes);
  expect(readdirSync(folder.path('out')).toSorted()).toEqual(plan.output.names.toSorted());

  for (const [sink, says] of [
    ['tiny', 'it is the folder of the input'],
    ['tiny/config.json', 'it is a file'],
    ['none/out', 'no such file or folder'],
  ]) {
    const refused = await run('tiny', sink, ...kMlx, '--dry-run');
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining(says)]);
  }
});

test.each([
  [[...kMlx, '--bits', '7'], 2, "'7' is invalid. Allowed choices are 2, 3, 4, 5, 6, 8"],
  [[...kMlx, '--type', 'Q4_K_M'], 2, 'type is "Q4_K_M", must be "affine" or "mxfp4"'],
  [[...kMlx, '--symmetric'], 2, 'symmetric has no meaning'],
  [[...kMlx, '--layout', 'planes'], 2, 'layout has no meaning'],
  [['--bits', '3'], 2, 'Invalid bit width: 3'],
  [['--mix', 'mixed_3_6'], 2, 'mix has no meaning'],
  [['--type', 'Q8_0', '--bits', '4'], 2, "'--bits <n>' cannot be used with option '--type <type>'"],
  [['--format', 'onnxx'], 2, "'onnxx' is invalid"],
  [[...kMlx, '--architecture', 'gpt5'], 1, 'models of the type "gpt5"'],
])('refuses %j', async (parameters, code, says) => {
  copyTinyLlama(folder.path('tiny'));
  const before = readdirSync(folder.path('tiny'));
  const outcome = await run('tiny/model.safetensors', ...parameters);
  expect([outcome.code, outcome.stderr]).toEqual([code, expect.stringContaining(says)]);
  expect(folder.list()).toEqual(['tiny']);
  expect(readdirSync(folder.path('tiny'))).toEqual(before);
});
