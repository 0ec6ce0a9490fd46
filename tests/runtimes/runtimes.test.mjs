import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { copyFileSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { makeProjectWithPackage, runProgram } from '../places/installed.mjs';
import { writeSmallModel } from '../places/model.mjs';
import { installed, kNodes } from './support/programs.mjs';

const kCases = new URL('../browser/pages/cases.mjs', import.meta.url).href;

const kRuntimes = [
  ['Node, the one that runs the tests', process.execPath, []],
  ...kNodes.map(([title, name]) => [title, installed(`${name}/bin/node`), []]),
  [
    'Deno',
    installed('@deno/linux-x64-glibc/deno'),
    ['run', '--node-modules-dir=manual', '--allow-read', '--allow-write', '--allow-net=127.0.0.1'],
  ],
  ['Bun', installed('@oven/bun-linux-x64/bin/bun'), []],
];

let project;
let expected;

/** What the smoke script prints; it has to end by itself. */
async function smoke(program, flags, name) {
  const outputs = path.join(project.folder, name);
  mkdirSync(outputs);
  const parameters = [...flags, 'smoke.mjs', kCases, path.join(project.folder, 'model.safetensors'), outputs];
  const { stdout } = await runProgram(program, parameters, { cwd: project.folder });
  return JSON.parse(stdout);
}

beforeAll(async () => {
  project = await makeProjectWithPackage();
  copyFileSync(new URL('smoke.mjs', import.meta.url), path.join(project.folder, 'smoke.mjs'));
  writeSmallModel(path.join(project.folder, 'model.safetensors'));
  expected = await smoke(process.execPath, [], 'expected');
}, 120_000);
afterAll(() => project?.remove());

test('the smoke script does all that it is meant to', () => {
  expect(expected).toMatchObject({
    create: { backend: 'threads', threads: 2 },
    workers: { backend: 'workers', threads: 2, digests: expected.create.digests },
    single: { backend: 'single', digests: expected.create.digests },
    halves: { code: 'not_finite', index: 200_000 },
    halvesSingle: expected.halves,
    halvesWorkers: expected.halves,
    untransferable: { detached: [0, 0], shared: 500 },
    badInput: { notFinite: { code: 'not_finite', layer: 'layer.1.weight', index: 150_003 } },
    abort: { during: { code: 'aborted' }, calls: 1 },
    dispose: { pending: { code: 'disposed' }, later: { code: 'disposed' } },
    servers: { code: 'unreadable_input', names: true, tells: false },
    files: { interruption: { code: 'aborted' }, last: 1, missing: 'unreadable_input' },
  });
  expect(expected.files.interruption.digest).toBe(expected.files.digests[2]);
  expect(expected.files.left).toEqual(['affine.safetensors', 'q4_k_m.gguf', 'restored.safetensors', 'resumed.gguf']);
  expect(expected.files.events).toBe(expected.files.tensors);
  expect(expected.files.tensors).toBeGreaterThan(10);
});

describe.each(kRuntimes)('%s', (name, program, flags) => {
  test('gives the same bytes, progress and errors, and ends by itself', async () => {
    expect(await smoke(program, flags, name)).toEqual(expected);
  });
});
