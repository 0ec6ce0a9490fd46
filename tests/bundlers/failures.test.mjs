import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { fileURLToPath } from 'node:url';
import { launchChromium } from '../browser/support/browsers.mjs';
import { kIsolation } from '../browser/support/server.mjs';
import { startOddServer } from './support/odd-server.mjs';
import { createIn } from './support/pages.mjs';

const kDist = fileURLToPath(new URL('../../dist/', import.meta.url));

let browser;

beforeAll(async () => {
  browser = await launchChromium();
}, 60_000);
afterAll(() => browser?.close());

/** What `create` comes to in a page of a server with such manners. */
async function outcomeWith(manners, options = {}) {
  const server = await startOddServer(kDist, manners);
  try {
    const { outcome, lines } = await createIn(browser, server.origin, '/browser.js', options);
    return { outcome, lines, origin: server.origin };
  } finally {
    await server.close();
  }
}

const policy = (text) => ({ ...kIsolation, 'Content-Security-Policy': text });
const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
/** In this order. */
const saying = (...parts) => expect.stringMatching(new RegExp(parts.map(escaped).join('.*')));

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
    const { outcome, lines, origin } = await outcomeWith({ missing: /\.wasm$/ }, { backend: 'single' });
    const address = `${origin}/wasm/arrowquant-single.wasm`;
    expect(outcome).toEqual({ code: 'startup_failed', message: saying(address, '404', 'wasmUrl', 'docs/bundlers.md') });
    expect(lines).toEqual(['Failed to load resource: the server responded with a status of 404 (Not Found)']);
  });

  test('a policy without wasm-unsafe-eval', async () => {
    const headers = policy("default-src 'self'; script-src 'self'");
    const { outcome, lines } = await outcomeWith({ headers });
    expect(outcome).toEqual({
      code: 'startup_failed',
      message: saying('Content-Security-Policy', "'wasm-unsafe-eval'", 'script-src'),
    });
    expect(lines.filter((line) => !/violates the following Content Security Policy|blocked/i.test(line))).toEqual([]);
  });

  test('a server that answers with its page also for the glue', async () => {
    const { outcome, lines, origin } = await outcomeWith({ headers: kIsolation, page: /^\/wasm\// });
    expect(outcome).toEqual({ code: 'startup_failed', message: saying(origin, 'an HTML page') });
    expect(lines.filter((line) => !/MIME type of "text\/html"/.test(line))).toEqual([]);
  });
});

describe('something else starts, and `fallback` says why', () => {
  test('a server without the script of the threads', async () => {
    const { outcome, origin } = await outcomeWith({ headers: kIsolation, missing: /threads\.js$/ });
    expect(outcome).toMatchObject({
      backend: 'workers',
      fallback: saying('threads: ', `${origin}/wasm/arrowquant-threads.js`),
    });
  });

  test('scripts of workers without the headers that their page has', async () => {
    const { outcome, lines } = await outcomeWith({ pageHeaders: kIsolation });
    expect(outcome).toMatchObject({ backend: 'single', fallback: saying('threads: ', 'COEP', 'workers: ', 'COEP') });
    expect(lines).toEqual([]);
  });

  test('a policy that forbids workers', async () => {
    const headers = policy("script-src 'self' 'wasm-unsafe-eval'; worker-src 'none'");
    const { outcome, lines } = await outcomeWith({ headers });
    expect(outcome).toMatchObject({
      backend: 'single',
      fallback: saying('threads: ', 'worker-src', 'workers: ', 'worker-src'),
    });
    expect(lines.filter((line) => !/violates the following Content Security Policy/.test(line))).toEqual([]);
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
