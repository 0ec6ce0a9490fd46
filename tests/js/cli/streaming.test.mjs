import { readFileSync, statSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { useFolder } from '../support/models/folder.mjs';
import { runCommand, startCommand } from './support/command.mjs';
import { writeSparseModel } from './support/sparse.mjs';

const kGigabyte = 2 ** 30;
const kMostMegabytes = 400;

/** Has the process write its peak memory to stderr when it ends. */
const kMeasureMemory = ['--import', new URL('../fixtures/print-peak-memory.mjs', import.meta.url).href];

const folder = useFolder();
const isPartial = (name) => name.endsWith('.partial');

/** Has the process send itself the signal once more, while it deals with the first one. */
const twice = (signal) => [
  '--import',
  `data:text/javascript,process.once('${signal}',()=>process.kill(process.pid,'${signal}'))`,
];

/** Resolves when the command reports progress: it is neither before nor after the work then. */
function untilProgress({ child, output, ended }) {
  return new Promise((resolve, reject) => {
    child.stderr.on('data', () => {
      if (output.stderr.includes(' %: ')) resolve();
    });
    ended.then(() => reject(new Error(`the command ended early: ${output.stderr}`)), reject);
  });
}

describe(`is quantized in less than ${kMostMegabytes} MB of memory`, () => {
  test.each([
    ['a file of 4 GB', 4, 4, []],
    ['a tensor of 1 GB with one scale', 1, 1, ['--group-size', 'tensor']],
  ])('%s', async (_, gigabytes, tensors, settings) => {
    writeSparseModel(folder.path('in.safetensors'), gigabytes * kGigabyte, tensors);
    const parameters = ['quantize', 'in.safetensors', '--bits', '2', '--json', '--threads', '2', ...settings];
    const { code, stdout, stderr } = await runCommand(parameters, { cwd: folder.at, nodeFlags: kMeasureMemory });
    expect(code).toBe(0);
    expect(JSON.parse(stdout).totals).toMatchObject({ converted: tensors, bytesBefore: gigabytes * kGigabyte });
    const [, kilobytes] = /peak (\d+)/.exec(stderr);
    expect(Number(kilobytes) / 1024).toBeLessThan(kMostMegabytes);
    expect(statSync(folder.path('in-int2.safetensors')).size).toBeGreaterThan((gigabytes * kGigabyte) / 16);
  });
});

describe('a conversion that is ended in the middle', () => {
  async function startAndEnd(signal, nodeFlags = []) {
    writeSparseModel(folder.path('in.safetensors'), 8 * kGigabyte, 4);
    folder.write('out.safetensors', 'the old output');
    const command = startCommand(['quantize', 'in.safetensors', 'out.safetensors'], { cwd: folder.at, nodeFlags });
    await untilProgress(command);
    expect(folder.list().filter(isPartial)).toHaveLength(1);
    command.child.kill(signal);
    const outcome = await command.ended;
    expect(readFileSync(folder.path('out.safetensors'), 'utf8')).toBe('the old output');
    return outcome;
  }

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ])('by %s leaves nothing behind and ends with exit code %i', async (signal, expected) => {
    const { code, stderr } = await startAndEnd(signal);
    expect(code).toBe(expected);
    expect(stderr).toMatch(new RegExp(`interrupted by ${signal}; nothing was written\n$`));
    expect(folder.list()).toEqual(['in.safetensors', 'out.safetensors']);
  });

  test.each(['SIGINT', 'SIGTERM'])('by %s twice leaves nothing behind and ends at once', async (signal) => {
    const outcome = await startAndEnd(signal, twice(signal));
    expect(outcome).toMatchObject({ code: null, signal });
    expect(outcome.stderr).not.toContain('interrupted');
    expect(folder.list()).toEqual(['in.safetensors', 'out.safetensors']);
  });

  test('by SIGKILL leaves nothing under the final name', async () => {
    const { signal } = await startAndEnd('SIGKILL');
    expect(signal).toBe('SIGKILL');
    const left = folder.list().filter((name) => !isPartial(name));
    expect(left).toEqual(['in.safetensors', 'out.safetensors']);
  });
});
