import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { inProject } from '../../tools/lib/paths.mjs';
import { makeProjectWithPackage, runProgram } from '../places/installed.mjs';
import { commandsOf } from './support/commands.mjs';
import { filesOf } from './support/files.mjs';
import { containerOf, objectionsTo, readManifest } from './support/manifest.mjs';
import { kParts, kSettings, writeLanguageModel } from './support/model.mjs';
import { serveWithToken } from './support/token-server.mjs';

const kManifests = ['quantize.yaml', 'verify.yaml'];
const kToken = 'the secret';
const kSecrets = { 'model-source': { token: kToken } };

describe.each(kManifests)('%s', (name) => {
  const manifest = readManifest(name);

  test('is a job of which Kubernetes knows every field', () => {
    expect(objectionsTo(manifest)).toEqual([]);
  });

  test('names the version of the package that it was tried with', () => {
    const { version } = JSON.parse(readFileSync(inProject('package.json'), 'utf8'));
    expect(manifest.spec.template.spec.containers[0].command[2]).toBe(`arrowquant@${version}`);
  });
});

test.each([
  ['a field that there is not', (spec) => (spec.completion = 3), /"completion"' does not exist/],
  ['a text for a number', (spec) => (spec.completions = '3'), /completions must be integer/],
  ['a word that there is not', (spec) => (spec.completionMode = 'Indexes'), /completionMode must be equal to one of/],
  ['no image by a slip', ({ template }) => (template.spec.containers[0].imag = 'x'), /"imag"' does not exist/],
  ['no name', ({ template }) => delete template.spec.containers[0].name, /must have required property name/],
])('a manifest is objected to that has %s', (_, spoil, objection) => {
  const manifest = readManifest('quantize.yaml');
  spoil(manifest.spec);
  expect(objectionsTo(manifest).join('\n')).toMatch(objection);
});

test.each(['complete', 'failed'])('the commands wait until the job is %s, and go on at once', async (end) => {
  const [, commands] = commandsOf('kubernetes');
  // What the job comes to is told at once, what it does not come to never.
  const kubectl = `kubectl() {
    echo "$*"
    case "$*" in wait*${end}*) ;; wait*) exec sleep 600 ;; esac
  }`;
  const { stdout } = await runProgram('bash', ['-euo', 'pipefail', '-c', `${kubectl}\nTOKEN=x\n${commands}`], {});
  const lines = stdout.trim().split('\n');
  expect(lines.filter((line) => line.startsWith('wait'))).toHaveLength(2);
  expect(lines.at(-1)).toBe('create -f verify.yaml');
});

describe('the container of the job', () => {
  let project;
  let server;
  let variables;

  const at = (name) => path.join(project.folder, name);
  const run = (command, env = {}) =>
    runProgram('bash', ['-euo', 'pipefail', '-c', command], { cwd: project.folder, env: { ...process.env, ...env } });
  /** What Kubernetes starts, with the package of this build in place of the registry's. */
  async function start(name, index = {}) {
    const { command, env } = containerOf(readManifest(name), { ...variables, ...index }, kSecrets);
    const [program, ...parameters] = command.map((word) => word.replace(/^arrowquant@.*/, 'arrowquant'));
    return runProgram(program, parameters, { cwd: project.folder, env: { ...process.env, ...env } });
  }

  beforeAll(async () => {
    project = await makeProjectWithPackage();
    for (const name of ['out', 'expected']) mkdirSync(at(name));
    server = await serveWithToken(writeLanguageModel(at('model.gguf')), kToken);
    variables = { ...kSettings, SOURCE: server.url, OUTPUT: at('out/model.gguf'), THREADS: '2' };
    await run(
      'npx arrowquant quantize model.gguf expected/model.gguf --type=$TYPE --split-size=$SPLIT_SIZE',
      kSettings,
    );
  }, 120_000);
  afterAll(async () => {
    await server?.close();
    project?.remove();
  });

  test('writes for each index what one run does', async () => {
    const [countParts] = commandsOf('kubernetes');
    const { stdout } = await run(countParts, { ...variables, TOKEN: kToken });
    const expected = filesOf(at('expected'));
    expect([Number(stdout), expected.size]).toEqual([kParts, kParts]);
    for (let index = 0; index < kParts; ++index) await start('quantize.yaml', { JOB_COMPLETION_INDEX: String(index) });
    expect(filesOf(at('out'))).toEqual(expected);
    await start('verify.yaml');
    rmSync(at(`out/${[...expected.keys()][1]}`));
    await expect(start('verify.yaml')).rejects.toThrow(/exit code 1\n2\n/);
  }, 120_000);
});
