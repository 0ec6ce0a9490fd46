/** The demo's field for an address: a page that may read from nobody, and one that was built to read from a hub. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from '../../dist/index.js';
import { buildDemo } from '../../tools/demo.mjs';
import { serveDemo } from '../../tools/demo/server.mjs';
import { startHub } from '../js/support/hub.mjs';
import { makeLittleModel, startDemo } from './support/demo.mjs';
import { lowContrast, nameless, overflowing } from './support/readable.mjs';

/** Mostly free: then the site of the last time can be used again. */
const kPort = 47_613;

let setting;
let hub;
let server;
let model;
let demo;

beforeAll(async () => {
  setting = await startDemo();
  model = path.join(setting.folder, 'little.safetensors');
  makeLittleModel(model);
  const files = { 'README.md': Buffer.from('# A model'), 'little.safetensors': readFileSync(model) };
  const models = { 'team/open': { files }, 'team/private': { files, isPrivate: true } };
  hub = await startHub(models, { port: kPort });
  // Where large files are, and what else a test asks, is at other ports.
  const hosts = ['http://127.0.0.1:*'];
  const root = await buildDemo({ hosts, hub: hub.url, folder: 'build/demo-connected' });
  server = await serveDemo(root, { hosts });
}, 600_000);

afterEach(async () => {
  await demo?.close();
  demo = undefined;
});

afterAll(async () => {
  await server?.close();
  await hub?.close();
  await setting?.close();
});

async function open(url) {
  demo = await setting.openAt(url ?? server.url);
  return demo;
}

/** Types an address, and a token where there is one, and opens it. */
async function ask({ page }, address, token) {
  await page.locator('input[name=address]').fill(address);
  if (token !== undefined) {
    await page.getByText('The model is private or gated').click();
    await page.locator('input[name=token]').fill(token);
  }
  await page.getByRole('button', { name: 'Open the address' }).click();
}

const alert = ({ page }) => page.getByRole('alert').textContent();

describe('a page that was built for no host', () => {
  test('says so, and keeps its policy', async () => {
    demo = await setting.open('bare');
    const policy = await demo.page.locator('meta[http-equiv="Content-Security-Policy"]').getAttribute('content');
    expect(policy).toMatch(/; connect-src 'self';/);
    await expect(demo.page.locator('[data-testid=hosts]').textContent()).resolves.toMatch(
      /own site only.*npm run demo -- --connect https:\/\/huggingface\.co --connect https:\/\/\*\.hf\.co/,
    );
    expect(demo.problems).toEqual([]);
  });

  test.each([
    [
      'hf:team/open',
      /may not read from https:\/\/huggingface\.co: .*npm run demo -- --connect https:\/\/huggingface\.co/,
    ],
    ['https://models.example/a.gguf', /may not read from https:\/\/models\.example/],
    ['ftp://models.example/a.gguf', /It is no address/],
  ])('asks nobody for %s', async (address, message) => {
    demo = await setting.open();
    await ask(demo, address);
    await expect(alert(demo)).resolves.toMatch(message);
    expect(demo.problems).toEqual([]);
  });
});

describe('a page that was built for a host', () => {
  test('names it, and can be read and used', async () => {
    const { page } = await open();
    await expect(page.locator('[data-testid=hosts]').textContent()).resolves.toContain('and from http://127.0.0.1:*.');
    await page.getByText('The model is private or gated').click();
    for (const fault of [nameless, lowContrast, overflowing]) await expect(page.evaluate(fault)).resolves.toEqual([]);
    await demo.shoot('address');
    expect(demo.problems).toEqual([]);
  });

  test.each([
    ['an address', () => `${hub.url}/team/open/resolve/main/little.safetensors`, 'little-Q8_0.gguf'],
    ['the name of a model', () => 'hf:team/open', 'open-Q8_0.gguf'],
  ])('quantizes what lies at %s, read by ranges', async (_title, address, name) => {
    await open();
    const before = hub.fetched.length;
    await ask(demo, address());
    await demo.choose('type', 'Q8_0');
    await demo.choose('target', 'memory');
    await demo.quantize();
    await demo.finished();
    const made = await demo.download(/^Download/);
    expect(made.name).toBe(name);
    const quantizer = await ArrowQuant.create();
    const expected = path.join(setting.folder, 'expected.gguf');
    await quantizer.quantizeFile(model, expected, { type: 'Q8_0' });
    await quantizer.dispose();
    expect(Buffer.compare(made.bytes, readFileSync(expected))).toBe(0);
    const ranges = hub.fetched.slice(before).filter(({ method }) => method === 'GET');
    expect(ranges.length).toBeGreaterThan(2);
    expect(ranges.every(({ headers }) => /^bytes=\d+-\d+$/.test(headers.range))).toBe(true);
  });

  test('reads a private model with a token, which the hub alone gets to see, and keeps it nowhere', async () => {
    const { page, context } = await open();
    const before = hub.fetched.length;
    await ask(demo, 'hf:team/private', 'hf_valid');
    await demo.planned();
    expect(hub.requests.at(-1).headers.authorization).toBe('Bearer hf_valid');
    expect(JSON.stringify(hub.fetched.slice(before))).not.toContain('hf_valid');
    const kept = await page.evaluate(async () => {
      const databases = await window.indexedDB.databases();
      const names = await Promise.all(
        (await window.caches.keys()).map(async (name) => (await window.caches.open(name)).keys()),
      );
      const urls = names.flat().map(({ url }) => url);
      return JSON.stringify([
        { ...window.localStorage },
        { ...window.sessionStorage },
        databases,
        urls,
        document.body.innerHTML,
        location.href,
      ]);
    });
    expect(kept).not.toContain('hf_valid');
    await expect(context.cookies()).resolves.toEqual([]);
    await page.getByRole('button', { name: 'Another model' }).click();
    await expect(page.locator('input[name=token]').inputValue()).resolves.toBe('');
  });

  test.each([
    ['hf:team/private', undefined, /401.*needs an access token/],
    ['hf:team/private', 'hf_wrong', /the access token is wrong, or has expired/],
    ['hf:team/open/litle.safetensors', undefined, /did you mean little\.safetensors\?/],
    ['https://models.example/a.gguf', undefined, /may not read from https:\/\/models\.example/],
  ])('says what is wrong with %s and the token %p', async (address, token, message) => {
    await open();
    await ask(demo, address, token);
    await expect(alert(demo)).resolves.toMatch(message);
  });

  test('says that a server has to let it read', async () => {
    const other = createServer((_request, response) => response.end());
    await new Promise((resolve) => other.listen(0, '127.0.0.1', resolve));
    try {
      await open();
      await ask(demo, `http://127.0.0.1:${other.address().port}/m.gguf`);
      await expect(alert(demo)).resolves.toMatch(/let pages read what it has \(Access-Control-Allow-Origin\)/);
    } finally {
      other.closeAllConnections();
      await new Promise((resolve) => other.close(resolve));
    }
  });
});

test.each(['https://huggingface.co; script-src *', "'unsafe-inline'", 'huggingface.co', 'https://a.example/path'])(
  'no page is built for the host %p',
  async (host) => {
    await expect(buildDemo({ hosts: [host] })).rejects.toThrow(/is no host such as https:\/\/huggingface\.co/);
  },
);
