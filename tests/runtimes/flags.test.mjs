import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { makeProjectWithPackage, runProgram } from '../places/installed.mjs';
import { installed, kNodes } from './support/programs.mjs';

/** Quantizes with threads and with workers, and prints what came out. */
const kProgram = `
  import { ArrowQuant } from 'arrowquant';
  const outcomes = [];
  for (const backend of ['threads', 'workers']) {
    const quantizer = await ArrowQuant.create({ backend, threads: 2 });
    const { size } = await quantizer.quantizeBatch({ layer: new Float32Array(300_000).fill(0.5) }, 4);
    await quantizer.dispose();
    outcomes.push([quantizer.backend, size]);
  }
  console.log(JSON.stringify(outcomes));
`;
const kOutcomes = [
  ['threads', 1],
  ['workers', 1],
];

const kFlags = [
  ['--max-old-space-size=512', '--expose-gc'],
  ['--max-semi-space-size=16', '--stack-size=900', '--v8-pool-size=2', '--disable-proto=delete'],
  ['--conditions=custom', '--import=./hook.mjs', '--env-file=variables.env'],
  ['--no-warnings', '--trace-uncaught', '--stack-trace-limit=50', '--title=somebody', '--max-http-header-size=20000'],
];
/** Workers run files: `--input-type` is refused to them, and flags of V8 are when they stand in a list. */
const kText = ['--input-type=module', '--eval', kProgram];

let project;

beforeAll(async () => {
  project = await makeProjectWithPackage();
  const files = { 'use.mjs': kProgram, 'hook.mjs': 'globalThis.hooked = true;', 'variables.env': 'SOME=thing\n' };
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(project.folder, name), text);
}, 60_000);
afterAll(() => project?.remove());

async function outcomesOf(program, parameters, variables = {}) {
  const options = { cwd: project.folder, env: { ...process.env, ...variables } };
  const { stdout } = await runProgram(program, parameters, options);
  return JSON.parse(stdout);
}

test('threads and workers start in a script under every flag', async () => {
  expect(await outcomesOf(process.execPath, [...kFlags.flat(), 'use.mjs'])).toEqual(kOutcomes);
});

test.each(kFlags)('threads and workers start in the text of --eval under %s', async (...flags) => {
  expect(await outcomesOf(process.execPath, [...flags, ...kText])).toEqual(kOutcomes);
});

test('threads and workers start with flags in NODE_OPTIONS', async () => {
  const variables = { NODE_OPTIONS: '--max-old-space-size=512 --import=./hook.mjs --conditions=custom --no-warnings' };
  expect(await outcomesOf(process.execPath, ['use.mjs'], variables)).toEqual(kOutcomes);
  expect(await outcomesOf(process.execPath, ['--expose-gc', ...kText], variables)).toEqual(kOutcomes);
});

test.each(kNodes)('threads and workers start under all of these flags at once in %s', async (_, version) => {
  expect(await outcomesOf(installed(`${version}/bin/node`), [...kFlags.flat(), ...kText])).toEqual(kOutcomes);
});
