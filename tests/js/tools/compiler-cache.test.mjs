import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { compilerIdentity } from '../../../tools/build/cmake.mjs';

let root;
let library;

/** An em++ that says what Emscripten's does, and a compiler laid out like Debian's. */
function sayVersion(clang, ...more) {
  const lines = [...more, 'emcc 3.1.69 ()', `clang version ${clang}`, `InstalledDir: ${path.join(root, 'llvm/bin')}`];
  writeFileSync(path.join(root, 'em++'), `#!/bin/sh\ncat >&2 <<'end'\n${lines.join('\n')}\nend\n`, { mode: 0o755 });
}

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'arrowquant-compiler-'));
  for (const name of ['llvm/bin', 'llvm/lib', 'lib']) mkdirSync(path.join(root, name), { recursive: true });
  library = path.join(root, 'lib/libLLVM.so.19.1');
  writeFileSync(path.join(root, 'lib/libclang-cpp.so.19.1'), '');
  symlinkSync('../../lib/libclang-cpp.so.19.1', path.join(root, 'llvm/lib/libclang-cpp.so.19.1'));
  writeFileSync(path.join(root, 'llvm/bin/clang'), 'program');
  writeFileSync(library, 'library');
  sayVersion('19.1.7');
});
afterEach(() => rmSync(root, { recursive: true }));

const identity = () => compilerIdentity(root, process.env);

test('a compiler stays what it is', async () => {
  const first = await identity();
  expect(first).not.toMatch(/\n/);
  expect(await identity()).toBe(first);
});

test('what em++ says besides, when it runs for the first time, makes no other compiler', async () => {
  const later = await identity();
  sayVersion('19.1.7', 'shared:INFO: (Emscripten: Running sanity checks)');
  expect(await identity()).toBe(later);
});

test.each([
  ['another version of clang behind the same em++', () => sayVersion('19.1.8')],
  ['a patched library of the same version', () => writeFileSync(library, 'patched library')],
  ['a library that was put there again', () => utimesSync(library, 1, 1)],
])('%s is another compiler to ccache', async (_, change) => {
  const before = await identity();
  change();
  expect(await identity()).not.toBe(before);
});

test('an em++ that does not run is no compiler', async () => {
  writeFileSync(path.join(root, 'em++'), '#!/bin/sh\necho no python >&2\nexit 1\n', { mode: 0o755 });
  await expect(identity()).rejects.toThrow('em++ -v does not say where clang is.\nno python');
});
