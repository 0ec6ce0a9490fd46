import { expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { REVISION } from '../../support/internals.mjs';
import { useFolder } from '../../support/models/folder.mjs';
import { float32Tensor, modelFile } from '../../support/models/safetensors.mjs';
import { runCommand } from '../support/command.mjs';

const folder = useFolder();
const kModel = modelFile([float32Tensor('unet.proj.weight', [64, 64])]);
const fixture = (file) => fileURLToPath(new URL(`../../fixtures/${file}`, import.meta.url));
const kWithoutSharedMemory = ['--require', fixture('no-shared-memory.cjs')];
const { version: kEmscripten } = JSON.parse(readFileSync(new URL('../../../../emsdk.lock', import.meta.url), 'utf8'));

/** What stands after each title. */
const linesOf = (stdout) =>
  Object.fromEntries(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/)),
  );

test.each([[['--version']], [['-V']]])('%j prints the version and nothing else', async (parameters) => {
  const { code, stdout, stderr } = await runCommand(parameters);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test.each([[['--version', '--verbose']], [['--verbose', '-V']]])(
  '%j prints what runs, and where',
  async (parameters) => {
    const { code, stdout, stderr } = await runCommand(parameters);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(linesOf(stdout)).toEqual({
      arrowquant: REVISION,
      Emscripten: kEmscripten,
      Node: `${process.versions.node} (V8 ${process.versions.v8})`,
      platform: `${process.platform} ${process.arch}`,
      cores: expect.stringMatching(/^\d+( of \d+)?$/),
      backend: expect.stringMatching(/^threads, \d+ threads?$/),
    });
  },
);

test('tells the flags of Node, and which backend a quantizer gets that was really started', async () => {
  const { code, stdout } = await runCommand(['--version', '--verbose'], { nodeFlags: kWithoutSharedMemory });
  expect(code).toBe(0);
  expect(linesOf(stdout)).toMatchObject({
    flags: kWithoutSharedMemory.join(' '),
    backend: expect.stringMatching(/^workers, \d+ workers?$/),
  });
});

test('exits with 1 where no quantizer starts, and says why with all the rest', async () => {
  const { code, stdout } = await runCommand(['--version', '--verbose'], {
    nodeFlags: ['--require', fixture('no-webassembly.cjs')],
  });
  expect(code).toBe(1);
  expect(linesOf(stdout)).toMatchObject({ arrowquant: REVISION, backend: expect.stringMatching(/^none: \S+ \S+/) });
});

test.each([
  ['quantize', ['in.safetensors', '--bits', '4']],
  ['quantize', ['in.safetensors', '--bits', '4', '--dry-run']],
  ['dequantize', ['in.safetensors']],
  ['compare', ['in.safetensors', 'in.safetensors']],
])('%s %j says on stderr which backend does the work only with --verbose', async (command, parameters) => {
  folder.write('in.safetensors', kModel);
  const line = /^backend: threads, 1 thread$/m;
  const run = (...more) => runCommand([command, ...parameters, '--threads', '1', ...more], { cwd: folder.at });
  const quiet = await run();
  expect(quiet.code).toBe(0);
  expect(quiet.stderr).not.toMatch(line);
  const verbose = await run('--verbose');
  expect(verbose.code).toBe(0);
  expect(verbose.stderr).toMatch(line);
});
