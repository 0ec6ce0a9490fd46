import { statSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { useFolder } from '../support/models/folder.mjs';
import { runCommand } from './support/command.mjs';
import { writeSparseModel } from './support/sparse.mjs';

const kGigabyte = 2 ** 30;
const kMostMegabytes = 300;
const kPatience = 180_000;

/** Has the process write its peak memory to stderr when it ends. */
const kMeasureMemory = ['--import', new URL('../fixtures/print-peak-memory.mjs', import.meta.url).href];

const folder = useFolder();

test.each([
  ['a file of 4 GB', 4, 8, []],
  ['a tensor of 3 GB', 3, 1, []],
  ['a tensor of 1 GB, with a limit', 1, 1, ['--memory-limit', '16MiB']],
])(
  `%s becomes Q8_0 in less than ${kMostMegabytes} MB of memory`,
  async (_, gigabytes, tensors, settings) => {
    writeSparseModel(folder.path('in.safetensors'), gigabytes * kGigabyte, tensors, 'F16');
    const parameters = ['quantize', 'in.safetensors', '--type', 'Q8_0', '--architecture', 'none', ...settings];
    const { code, stdout, stderr } = await runCommand([...parameters, '--no-metrics', '--json', '--threads', '2'], {
      ...{ cwd: folder.at, nodeFlags: kMeasureMemory },
    });
    expect({ code, problems: stderr.replace(/peak \d+\n/, '') }).toEqual({ code: 0, problems: '' });
    expect(JSON.parse(stdout).totals).toMatchObject({ converted: tensors, bytesBefore: gigabytes * kGigabyte });
    const [, kilobytes] = /peak (\d+)/.exec(stderr);
    expect(Number(kilobytes) / 1024).toBeLessThan(kMostMegabytes);
    expect(statSync(folder.path('in-Q8_0.gguf')).size).toBeGreaterThan((gigabytes * kGigabyte * 34) / 64);
  },
  kPatience,
);
