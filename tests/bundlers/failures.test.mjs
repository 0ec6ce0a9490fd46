import { describe, expect, test } from '@jest/globals';
import { fileURLToPath } from 'node:url';
import { kIsolation } from '../browser/support/server.mjs';
import { startOddServer } from './support/odd-server.mjs';
import { createIn, kBrowsers, withBrowser } from './support/pages.mjs';

const kDist = fileURLToPath(new URL('../../dist/', import.meta.url));

const policy = (text) => ({ ...kIsolation, 'Content-Security-Policy': text });
/** What browsers say by themselves. */
const kMissing = /^Failed to load resource: .*404/;
const kNoScript = /MIME type|^Failed to load resource: .*404/;
const kForbidden = /violates the following (Content Security Policy )?directive|blocked by CSP/i;
const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
/** In this order. */
const saying = (...parts) => expect.stringMatching(new RegExp(parts.map(escaped).join('.*')));

describe.each(kBrowsers)('in %s', (_, launch) => {
  const running = withBrowser(launch);

  /** What `create` comes to in a page of a server with such manners, and what the console has besides what may be on it. */
  async function outcomeWith(manners, options = {}, mayBeThere = /^$/) {
    const server = await startOddServer(kDist, manners);
    try {
      const { outcome, lines } = await createIn(running.browser, server.origin, '/browser.js', options);
      return { outcome, lines: lines.filter((line) => !mayBeThere.test(line)), origin: server.origin };
    } finally {
      await server.close();
    }
  }

  describe('nothing starts, and the message says what came, and what to do', () => {
    test('a server that answers with its page what it does not have', async () => {
      const { outcome, lines, origin } = await outcomeWith({ headers: kIsolation, page: /\.wasm$/ });
      const address = `${origin}/wasm/arrowquant-single.wasm`;
      expect(outcome).toEqual({
        code: 'startup_failed',
        message: saying(address, 'an HTML page', 'serve arrowquant/dist/wasm/arrowquant-single.wasm there', 'wasmUrl'),
      });
      expect(lines).toEqual([]);
    });

    test('a server that does not have the wasm', async () => {
      const { outcome, lines, origin } = await outcomeWith({ missing: /\.wasm$/ }, { backend: 'single' }, kMissing);
      const address = `${origin}/wasm/arrowquant-single.wasm`;
      expect(outcome).toEqual({
        code: 'startup_failed',
        message: saying(address, '404', 'wasmUrl', 'docs/bundlers.md'),
      });
      expect(lines).toEqual([]);
    });

    test('a policy without wasm-unsafe-eval', async () => {
      const headers = policy("default-src 'self'; script-src 'self'");
      const { outcome, lines } = await outcomeWith({ headers }, {}, kForbidden);
      expect(outcome).toEqual({
        code: 'startup_failed',
        message: saying('Content-Security-Policy', "'wasm-unsafe-eval'", 'script-src'),
      });
      expect(lines).toEqual([]);
    });

    test('a server that answers with its page also for the glue', async () => {
      const { outcome, lines, origin } = await outcomeWith({ headers: kIsolation, page: /^\/wasm\// }, {}, kNoScript);
      expect(outcome).toEqual({ code: 'startup_failed', message: saying(origin, 'an HTML page') });
      expect(lines).toEqual([]);
    });
  });

  describe('something else starts, and `fallback` says why', () => {
    test('a server without the script of the threads', async () => {
      const manners = { headers: kIsolation, missing: /threads\.js$/ };
      const { outcome, lines, origin } = await outcomeWith(manners, {}, kNoScript);
      const address = `${origin}/wasm/arrowquant-threads.js`;
      expect(outcome).toMatchObject({
        backend: 'workers',
        fallback: saying('threads: ', address, '404', 'standalone'),
      });
      expect(lines).toEqual([]);
    });

    test('scripts of workers without the headers that their page has', async () => {
      const { outcome, lines } = await outcomeWith({ pageHeaders: kIsolation });
      expect(outcome).toMatchObject({ backend: 'single', fallback: saying('threads: ', 'COEP', 'workers: ', 'COEP') });
      expect(lines).toEqual([]);
    });

    test('a policy that forbids workers', async () => {
      const headers = policy("script-src 'self' 'wasm-unsafe-eval'; worker-src 'none'");
      const { outcome, lines } = await outcomeWith({ headers }, {}, kForbidden);
      expect(outcome).toMatchObject({
        backend: 'single',
        fallback: saying('threads: ', 'worker-src', 'workers: ', 'worker-src'),
      });
      expect(lines).toEqual([]);
    });

    test('a page that is not isolated', async () => {
      const { outcome, lines } = await outcomeWith({});
      expect(outcome).toMatchObject({
        backend: 'workers',
        fallback: saying('threads: ', 'cross-origin isolated', 'COOP and COEP'),
      });
      expect(lines).toEqual([]);
    });
  });

  test('wasm of any type starts, and a server needs to know .js and .html only', async () => {
    const { outcome, lines } = await outcomeWith({ headers: kIsolation, types: ['.js', '.html'] });
    expect({ outcome, lines }).toEqual({
      outcome: expect.objectContaining({ backend: 'threads', fallback: null }),
      lines: [],
    });
  });
});
