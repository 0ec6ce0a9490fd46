import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeAll, beforeEach, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../../support/models/folder.mjs';
import { float32Tensor, modelFile } from '../../support/models/safetensors.mjs';
import { runCommand } from '../support/command.mjs';

const folder = useFolder();
const kTensors = [float32Tensor('a.weight', [64, 256], 1), float32Tensor('b.weight', [64, 256], 2)];

/** The cosines of the two tensors with 2 bits. */
let cosines;
const original = modelFile(kTensors);
let int2;
beforeAll(async () => {
  const quantizer = await ArrowQuant.create({ backend: 'single' });
  // The folder of a test is not there yet.
  const at = mkdtempSync(path.join(tmpdir(), 'arrowquant-test-'));
  const output = path.join(at, 'int2.safetensors');
  await quantizer.quantizeFile(original, output, { bits: 2 });
  ({ perLayerAccuracy: cosines } = await quantizer.validate(original, output));
  int2 = readFileSync(output);
  rmSync(at, { recursive: true });
  await quantizer.dispose();
});
beforeEach(() => {
  folder.write('in.safetensors', original);
  folder.write('int2.safetensors', int2);
});

const compare = (b, ...parameters) => runCommand(['compare', 'in.safetensors', b, ...parameters], { cwd: folder.at });

test('with --min-cosine the exit code is 0 when no tensor is below', async () => {
  const worst = Math.min(...cosines.values());
  const { code, stdout, stderr } = await compare('int2.safetensors', '--min-cosine', String(worst));
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toContain('2 tensors compared, 0 of them equal');
  expect((await compare('in.safetensors', '--min-cosine', '1')).code).toBe(0);
});

test('with --min-cosine the exit code is 1 when a tensor is below, and stderr names the worst first', async () => {
  const sorted = [...cosines].sort(([, a], [, b]) => a - b).map(([name]) => name);
  const both = await compare('int2.safetensors', '--min-cosine', '0.999');
  expect(both.code).toBe(1);
  expect(both.stderr.trim().split('\n')).toEqual(
    sorted.map((name) => expect.stringMatching(new RegExp(`^below 0\\.999: ${name}: 0\\.9\\d+$`))),
  );
  const between = String((cosines.get('a.weight') + cosines.get('b.weight')) / 2);
  const { code, stdout } = await compare('int2.safetensors', '--min-cosine', between, '--json');
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({ minCosine: Number(between), below: [sorted[0]] });
});

test('with --min-cosine a tensor that is too far away counts more than one that is missing', async () => {
  folder.write('half.safetensors', modelFile([float32Tensor('a.weight', [64, 256], 9)]));
  expect((await compare('half.safetensors', '--min-cosine', '0.7')).code).toBe(1);
  folder.write('half.safetensors', modelFile([kTensors[0]]));
  const { code, stderr } = await compare('half.safetensors', '--min-cosine', '0.7');
  expect([code, stderr]).toEqual([3, '']);
});

test.each(['1.5', '-1', 'local', ''])('--min-cosine %j is refused', async (cosine) => {
  const { code, stderr } = await compare('int2.safetensors', `--min-cosine=${cosine}`);
  expect(code).toBe(2);
  expect(stderr).toContain('It must be a number from 0 to 1.');
});
