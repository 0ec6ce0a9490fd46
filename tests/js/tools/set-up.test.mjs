import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { installPackages } from '../../../tools/setup/apt.mjs';
import { faultOf, strangersIn } from '../../../tools/setup/elf.mjs';
import { ensureNeeds, kNeeds } from '../../../tools/setup/needs.mjs';
import { oldTrees } from '../../../tools/setup/old-trees.mjs';
import { unpackedFolder } from '../../../tools/setup/unpacked.mjs';
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

describe('a machine with nothing but apt', () => {
  const { PATH, ARROWQUANT_TOOLCHAIN } = process.env;
  const { getuid } = process;
  let folder;
  let said;

  const at = (name) => path.join(folder, name);
  const script = (name, lines) =>
    writeFileSync(at(name), ['#!/bin/sh', `cd ${folder}`, ...lines, ''].join('\n'), { mode: 0o755 });
  const say = (text) => said.push(text);
  const calls = () => (existsSync(at('calls')) ? readFileSync(at('calls'), 'utf8').trim().split('\n') : []);
  /** An apt-get that notes what it is asked for, and then does what `lines` say for either command. */
  const scriptApt = ({ update = [], install = [] }) =>
    script('apt-get', [
      'while [ "$1" != update ] && [ "$1" != install ]; do shift; done',
      'echo "$@" >>calls',
      'if [ "$1" = update ]; then :',
      ...update,
      'else :',
      ...install,
      'fi',
    ]);

  beforeEach(() => {
    said = [];
    folder = mkdtempSync(path.join(tmpdir(), 'arrowquant-path-'));
    symlinkSync('/usr/bin/env', at('env'));
    script('dpkg-deb', ['exit 1']);
    scriptApt({ install: ['exit 1'] });
    process.env.PATH = folder;
    process.env.ARROWQUANT_TOOLCHAIN = at('toolchain');
  });
  afterEach(() => {
    process.env.PATH = PATH;
    if (ARROWQUANT_TOOLCHAIN === undefined) delete process.env.ARROWQUANT_TOOLCHAIN;
    else process.env.ARROWQUANT_TOOLCHAIN = ARROWQUANT_TOOLCHAIN;
    process.getuid = getuid;
    rmSync(folder, { recursive: true });
  });

  test('has older trees beside those in use', () => {
    const parent = path.dirname(unpackedFolder('programs'));
    const old = ['emscripten-3.1.6-01234567', 'programs-01234567'].map((name) => path.join(parent, name));
    const unfinished = path.join(parent, 'programs-89abcdef');
    for (const tree of [...old, unfinished, unpackedFolder('programs'), path.join(parent, 'verdicts')]) {
      mkdirSync(tree, { recursive: true });
      if (tree !== unfinished) writeFileSync(path.join(tree, 'proven'), '');
    }
    expect(oldTrees()).toEqual(old);
  });

  const ensure = (names) => ensureNeeds(names, say, 'debian');

  describe('and an ordinary user', () => {
    beforeEach(() => (process.getuid = () => 1000));

    test('is told at once of all that is missing, and one line to install it', async () => {
      const error = await ensure(['screen', 'cmake', 'compiler', 'cmake']).catch((reason) => reason);
      const lines = error.message.split('\n');
      expect(lines.slice(0, -1)).toEqual([
        'This machine lacks',
        '  xvfb: WebKit shows its window there',
        '  cmake: it directs the C++ builds',
        '  g++: it builds the native tests',
      ]);
      expect(lines.at(-1)).toBe('Install it: sudo apt-get install -y --no-install-recommends xvfb cmake g++');
    });

    test('is told of programs, and no packages, where there is no apt', async () => {
      const text = 'This machine lacks\n  ninja or make: it runs the C++ builds\nInstall it and try again.';
      await expect(ensureNeeds(['generator'], say, null)).rejects.toThrow(text);
    });

    test('hears nothing when nothing is missing', async () => {
      for (const name of ['ninja', 'python3']) writeFileSync(at(name), '');
      await ensure(['generator', 'python']);
      expect(said).toEqual([]);
    });
  });

  describe('and root', () => {
    beforeEach(() => (process.getuid = () => 0));

    test('does not run apt-get for what is optional alone', async () => {
      await ensure(['cache']);
      expect([calls(), said]).toEqual([[], []]);
    });

    test('installs what is optional along with what is missing, and goes on without it', async () => {
      scriptApt({ install: ['[ "$4" = ccache ] && exit 100', ':>cmake'] });
      await ensure(['cache', 'cmake']);
      const install = 'install -y --no-install-recommends';
      expect(calls()).toEqual(['update', `${install} cmake`, `${install} ccache`]);
      expect(said).toEqual(['installing ccache cmake (apt-get)', 'going on without ccache']);
    });

    test('whose apt-get fails is told what it said of its lists as well', async () => {
      scriptApt({
        update: ['echo "E: the mirror is away" >&2'],
        install: ['echo "E: no such package" >&2', 'exit 100'],
      });
      await expect(ensure(['screen'])).rejects.toThrow(
        'Installing xvfb failed (env ended with exit code 100).\nE: no such package\nE: the mirror is away',
      );
    });

    test('whose apt-get fails has the programs unpacked, where that can be done', async () => {
      mkdirSync(unpackedFolder('programs'), { recursive: true });
      writeFileSync(path.join(unpackedFolder('programs'), 'proven'), '');
      await ensure(['cmake']);
      expect(said.at(-1)).toMatch(/^Installing cmake failed .*\ngoing on without apt-get$/);
      expect(process.env.PATH.split(path.delimiter)).toContain(path.join(unpackedFolder('programs'), 'usr/bin'));
    });

    test('waits while another apt-get holds the lists', async () => {
      const busy = 'echo "E: Could not get lock /var/lib/apt/lists/lock" >&2; exit 100';
      scriptApt({ update: [`[ -e busy ] || { :>busy; ${busy}; }`] });
      await installPackages(['xvfb'], [], [], 1);
      expect(calls()).toEqual(['update', 'update', 'install -y --no-install-recommends xvfb']);
    });
  });
});
