import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { faultOf, strangersIn } from '../../../tools/setup/elf.mjs';
import { ensureNeeds, kNeeds } from '../../../tools/setup/needs.mjs';
import { kSuites } from '../../../tools/test/suites.mjs';

describe('an unpacked program', () => {
  const listed = (...lines) => lines.map((line) => `\t${line} (0x00007f87dee0f000)\n`).join('');

  test('may have all of its libraries in its own folder, and what the kernel brings', () => {
    const own = ['libz3.so.4 => /tree/usr/lib/libz3.so.4', '/tree/usr/lib/ld-linux-x86-64.so.2'];
    expect(strangersIn(listed('linux-vdso.so.1', ...own), '/tree')).toEqual([]);
  });

  test.each([
    'libz3.so.4 => /lib/x86_64-linux-gnu/libz3.so.4', // the machine's
    'libz3.so.4 => /tree-of-others/libz3.so.4',
    '/lib64/ld-linux-x86-64.so.2',
    'libedit.so.2 => not found',
  ])('may not have %s', (line) => {
    const own = 'libc.so.6 => /tree/usr/lib/libc.so.6';
    expect(strangersIn(listed(own, line), '/tree').map((text) => text.split(' (')[0])).toEqual([line]);
  });

  test('is not taken to run when the machine lends it libraries', async () => {
    const [folder, program] = [path.dirname(process.execPath), path.basename(process.execPath)];
    expect(await faultOf(folder, { programs: [program] })).toMatch(
      /^node takes libraries from outside of its folder: /,
    );
  });

  test('is not taken to run when it is not there', async () => {
    expect(await faultOf('/nowhere', { programs: ['clang'] })).toMatch(/^clang ends with exit code 127: .*ENOENT/);
  });
});

test('every suite names needs of the list', () => {
  for (const { needs } of Object.values(kSuites)) expect(Object.keys(kNeeds)).toEqual(expect.arrayContaining(needs));
});

describe('an ordinary user of a machine with nothing but apt', () => {
  const { PATH } = process.env;
  const { getuid } = process;
  let folder;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'arrowquant-path-'));
    for (const name of ['apt-get', 'dpkg-deb']) {
      writeFileSync(path.join(folder, name), '#!/bin/sh\nexit 1\n');
      chmodSync(path.join(folder, name), 0o755);
    }
    process.env.PATH = folder;
    process.getuid = () => 1000;
  });
  afterEach(() => {
    process.env.PATH = PATH;
    process.getuid = getuid;
    rmSync(folder, { recursive: true });
  });

  test('is told at once of all that is missing, and one line to install it', async () => {
    const error = await ensureNeeds(['screen', 'cmake', 'compiler', 'cmake'], () => {}).catch((reason) => reason);
    const lines = error.message.split('\n');
    expect(lines.slice(0, -1)).toEqual([
      'This machine lacks',
      '  xvfb: WebKit shows its window there',
      '  cmake: it directs the C++ builds',
      '  g++: it builds the native tests',
    ]);
    expect(lines.at(-1)).toBe('Install it: sudo apt-get install -y --no-install-recommends xvfb cmake g++');
  });

  test('hears nothing when nothing is missing', async () => {
    for (const name of ['ninja', 'python3']) writeFileSync(path.join(folder, name), '');
    await expect(ensureNeeds(['generator', 'python'], () => {})).resolves.toBeUndefined();
  });
});
