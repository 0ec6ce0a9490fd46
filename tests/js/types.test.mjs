import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';

const absolute = (path) => fileURLToPath(new URL(path, import.meta.url));

test.each([
  { needed: 'the DOM', folder: 'usage' },
  { needed: "Node's own types", folder: 'usage-node' },
])('the declarations are as documented, and ask nothing of the caller but ES2022 and $needed', async ({ folder }) => {
  const tsc = absolute('../../node_modules/typescript/bin/tsc');
  const checked = promisify(execFile)(process.execPath, [tsc, '-p', absolute(`fixtures/${folder}`)]);
  const { stdout } = await checked.catch((error) => error);
  expect(stdout).toBe('');
});
