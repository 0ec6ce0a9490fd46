import { readFileSync } from 'node:fs';
import { beforeEach, expect, test } from '@jest/globals';
import { ggufFile, tinyLlama } from '../../peers/tiny-llama.mjs';
import { collectLayerBits, parseMinCosine } from '../support/internals.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { float32Tensor, modelFile } from '../support/models/safetensors.mjs';
import { runCommand } from './support/command.mjs';

const folder = useFolder();
const run = (...parameters) => runCommand(['quantize', ...parameters], { cwd: folder.at });

beforeEach(() => {
  folder.write('in.gguf', ggufFile(tinyLlama({ layers: 1 })));
});

const kFloor = ['in.gguf', 'out.gguf', '--type', 'Q4_K_M', '--min-cosine', '.999'];

test('--fallback gives finer types, of which the dry run tells before', async () => {
  const { code, stdout } = await run(...kFloor, '--fallback', '--dry-run');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^blk\.0\.attn_q\.weight .* F16 → Q5_K .* minCosine 0\.999: Q4_K gave 0\.99\d+$/mu);
  expect(folder.list()).toEqual(['in.gguf']);
  const written = await run(...kFloor, '--fallback', '--json');
  const report = JSON.parse(written.stdout);
  expect(report.tensors.find(({ name }) => name === 'blk.0.attn_q.weight').to).toBe('Q5_K');
  expect(written.stderr).toBe('');
});

test('--min-cosine alone warns, and with --fail-fast nothing is written', async () => {
  const failed = await run(...kFloor, '--fail-fast');
  expect(failed.code).toBe(1);
  expect(failed.stderr).toContain('Less accurate than minCosine in layer "token_embd.weight" in in.gguf');
  expect(folder.list()).toEqual(['in.gguf']);
  const { code, stderr } = await run(...kFloor);
  expect(code).toBe(0);
  expect(stderr).toMatch(/^warning: \d+ tensors are below minCosine: /mu);
  expect(stderr).toMatch(/^(\d+) of \1 tensors measured$/mu);
});

test('--target-size keeps to a size that is written as those of shards are', async () => {
  const { code } = await run('in.gguf', 'out.gguf', '--type', 'Q4_K_M', '--target-size', '0.3MB', '--quiet');
  expect(code).toBe(0);
  expect(readFileSync(folder.path('out.gguf')).length).toBeLessThanOrEqual(300_000);
  expect(readFileSync(folder.path('out.gguf')).length).toBeGreaterThan(270_000);
  const refused = await run('in.gguf', 'no.gguf', '--type', 'Q4_K_M', '--target-size', '10kB');
  expect(refused.code).toBe(2);
  expect(refused.stderr).toMatch(/targetBytes is 10000, but the smallest possible output of this model has \d+ bytes/u);
});

test('--layer-bits fixes bits of affine levels', async () => {
  folder.write('in.safetensors', modelFile([float32Tensor('a.mask', [64, 256]), float32Tensor('b.weight', [64, 256])]));
  const bits = ['--layer-bits', 'mask$=8', '--layer-bits', '=b.weight=2'];
  const { stdout } = await run('in.safetensors', '--bits', '4', ...bits, '--dry-run', '--json');
  expect(JSON.parse(stdout).tensors.map(({ to }) => to)).toEqual(['int8 g128', 'int2 g128']);
  const mixed = await run('in.gguf', '--type', 'Q4_K_M', ...bits);
  expect(mixed.stderr).toContain("option '--layer-bits <regex=bits>' cannot be used with option '--type <type>'");
});

test.each([
  ['0.99', 0.99],
  ['1', 1],
  ['Local', 'local'],
  ['2:.7,8:0.95', { 2: 0.7, 8: 0.95 }],
])('--min-cosine takes %s', (text, value) => {
  expect(parseMinCosine(text)).toEqual(value);
});

test.each(['', 'x', '1.01', '-1', '3:0.5', '4:', '4:0.9,', '4', 'NaN', '0x1'])('--min-cosine refuses "%s"', (text) => {
  expect(() => parseMinCosine(text)).toThrow('It must be a number from 0 to 1');
});

test.each(['mask', 'mask=3', '=8', '(=8'])('--layer-bits refuses "%s"', (text) => {
  expect(() => collectLayerBits(text, undefined)).toThrow(/^(It must be a pattern|"\(" is no regular)/u);
});
