import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { makeProjectWithPackage, runProgram } from '../places/installed.mjs';
import { installed } from './support/programs.mjs';

/**
 * Threads of Bun before 1.4 never come up: to try them is to wait for as long as the caller allows, which here is longer
 * than the test may take.
 */
const kProgram = `
  import { ArrowQuant } from 'arrowquant';
  const startupTimeout = 1_000_000;
  const quantizer = await ArrowQuant.create({ startupTimeout, threads: 2 });
  const layers = Object.fromEntries(['a', 'b', 'c'].map((name) => [name, new Float32Array(700_000).fill(0.5)]));
  // What is sent to a worker comes back, and is sent again.
  for (let batch = 0; batch < 5; ++batch) await quantizer.quantizeBatch(layers, 4);
  const { size } = await quantizer.quantizeBatch(layers, 4);
  const { backend, fallback } = quantizer;
  await quantizer.dispose();
  const { code, message } = await ArrowQuant.create({ startupTimeout, backend: 'threads' }).catch((error) => error);
  console.log(JSON.stringify({ backend, fallback, size, refusal: { code, message } }));
`;

const kLimit = 30_000;

let project;

beforeAll(async () => {
  project = await makeProjectWithPackage();
  writeFileSync(path.join(project.folder, 'use.mjs'), kProgram);
}, 60_000);
afterAll(() => project?.remove());

async function outcomeIn(bun) {
  const { stdout } = await runProgram(installed(`${bun}/bin/bun`), ['use.mjs'], {
    cwd: project.folder,
    timeout: kLimit,
  });
  return JSON.parse(stdout);
}

test.each(['bun12', 'bun13'])('takes workers without trying threads in %s, and says why', async (bun) => {
  const { refusal, ...outcome } = await outcomeIn(bun);
  expect(outcome).toEqual({ backend: 'workers', size: 3, fallback: expect.stringMatching(/^threads: .*Bun .*1\.4/) });
  expect(refusal).toEqual({ code: 'backend_unavailable', message: expect.stringMatching(/Bun .*1\.4/) });
});

test('takes threads in Bun 1.4', async () => {
  expect(await outcomeIn('@oven/bun-linux-x64')).toMatchObject({ backend: 'threads', fallback: null, size: 3 });
});
