import { createHash } from 'node:crypto';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { inProject } from '../../../tools/lib/paths.mjs';
import { installExample } from './support/example.mjs';

const example = installExample('electron');
const { MOUNTS, ORIGIN, resolveAddress, respond } = await example.import('app-protocol.mjs');
afterAll(example.remove);

const ask = (pathname, method = 'GET') => respond({ method, url: `${ORIGIN}${pathname}` });

describe('the app’s protocol', () => {
  test.each([
    ['/', 'renderer/index.html', 'text/html; charset=utf-8'],
    ['/index.html', 'renderer/index.html', 'text/html; charset=utf-8'],
    ['/renderer.js', 'renderer/renderer.js', 'text/javascript; charset=utf-8'],
    ['/style.css', 'renderer/style.css', 'text/css; charset=utf-8'],
    ['/icon.svg', 'renderer/icon.svg', 'image/svg+xml'],
  ])('serves %s', async (address, file, type) => {
    const response = await ask(address);
    expect([response.status, response.headers.get('content-type')]).toEqual([200, type]);
    expect(Buffer.from(await response.arrayBuffer()).equals(readFileSync(example.path(file)))).toBe(true);
  });

  test('serves the package, with the MIME types that modules and WebAssembly need', async () => {
    const dist = '/node_modules/arrowquant/dist';
    for (const [file, type] of [
      ['index.js', 'text/javascript; charset=utf-8'],
      ['wasm/arrowquant-threads.js', 'text/javascript; charset=utf-8'],
      ['wasm/arrowquant-threads.wasm', 'application/wasm'],
    ]) {
      const response = await ask(`${dist}/${file}`);
      expect([response.status, response.headers.get('content-type')]).toEqual([200, type]);
      expect((await response.arrayBuffer()).byteLength).toBe(readFileSync(inProject('dist', file)).length);
    }
  });

  test('isolates its pages and workers, and forbids what they do not need', async () => {
    for (const address of ['/', '/renderer.js', '/node_modules/arrowquant/dist/wasm/arrowquant-threads.js']) {
      const { headers } = await ask(address);
      expect(headers.get('cross-origin-opener-policy')).toBe('same-origin');
      expect(headers.get('cross-origin-embedder-policy')).toBe('require-corp');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      const policy = headers.get('content-security-policy');
      expect(policy).toContain("default-src 'none'");
      expect(policy).not.toMatch(/unsafe-inline|'unsafe-eval'|\*|https?:/);
    }
  });

  test('allows the import map of the page by its hash, and no other inline script', async () => {
    const response = await ask('/index.html');
    const [, map] = /<script type="importmap">([^]*?)<\/script>/.exec(await response.text());
    const hash = createHash('sha256').update(map).digest('base64');
    expect(response.headers.get('content-security-policy')).toContain(
      `script-src 'self' 'wasm-unsafe-eval' 'sha256-${hash}';`,
    );
  });

  test('has an import map that leads where package.json leads browsers', () => {
    const [, map] = /<script type="importmap">([^]*?)<\/script>/.exec(
      readFileSync(example.path('renderer/index.html'), 'utf8'),
    );
    const { imports, exports } = JSON.parse(readFileSync(inProject('package.json'), 'utf8'));
    const address = (target) => target.replace('./', '/node_modules/arrowquant/');
    const wanted = Object.entries(imports).map(([name, { default: target }]) => [name, address(target)]);
    wanted.push(['arrowquant', address(exports['.'].import.default)]);
    expect(JSON.parse(map).imports).toEqual(Object.fromEntries(wanted));
  });

  test.each([
    '/../package.json',
    '/..%2fpackage.json',
    '/%2e%2e/main.mjs',
    '/%2e%2e%2fmain.mjs',
    '/..%5cmain.mjs',
    '/x/..%2f..%2fmain.mjs',
    '/.%2findex.html',
    '//index.html',
    '/x//index.html',
    '/C:%2findex.html',
    '/index.html%00.js',
    '/index.html::$DATA.js',
    '/%E0%A4%A.js',
    '/node_modules/arrowquant/dist/..%2f..%2fjs/index.js',
    '/node_modules/arrowquant/dist/../package.json',
    '/node_modules/arrowquant/package.json',
    '/node_modules/arrowquant/dist',
    '/node_modules/electron/index.js',
    '/bridge.d.ts',
    '/main.mjs',
    '/preload.cjs',
    '/missing.js',
    '/etc/passwd',
  ])('has nothing at %s', async (address) => {
    const response = await ask(address);
    expect(response.status).toBe(404);
    expect((await response.arrayBuffer()).byteLength).toBe(0);
  });

  test('never resolves to a file outside its folders, whatever the address', () => {
    const pieces = ['..', '.', '', '%2e%2e', '%2e', '%2f', '%5c', '..%2f', 'index.html', 'dist', 'x.js', '%00', '%25'];
    let state = 1;
    const pick = (count) => (state = (state * 48271) % 0x7fffffff) % count;
    for (let round = 0; round < 20_000; ++round) {
      const length = 1 + pick(6);
      const name = Array.from({ length }, () => pieces[pick(pieces.length)]).join(pick(2) ? '/' : '');
      const address = `${pick(2) ? '/node_modules/arrowquant/dist/' : '/'}${name}`;
      const found = resolveAddress(address);
      if (found === null) continue;
      const inside = MOUNTS.some(({ folder }) => path.resolve(found.file).startsWith(`${folder}${path.sep}`));
      expect([address, inside]).toEqual([address, true]);
    }
  });

  test('does not follow a link out of its folder', async () => {
    writeFileSync(example.path('secret.js'), '// not for the page');
    symlinkSync(example.path('secret.js'), example.path('renderer/link.js'));
    expect((await ask('/link.js')).status).toBe(404);
  });

  test('answers GET and HEAD only', async () => {
    const head = await ask('/index.html', 'HEAD');
    expect([head.status, await head.text()]).toEqual([200, '']);
    for (const method of ['POST', 'PUT', 'DELETE']) {
      const response = await ask('/index.html', method);
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    }
  });
});
