/** The demo's field for an address, in any browser: a page that may read from nobody, and one that was built for a hub. */
import { createServer } from 'node:http';
import { readFileSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { buildDemo } from '../../../tools/demo.mjs';
import { serveDemo } from '../../../tools/demo/server.mjs';
import { startHub } from '../../js/support/hub.mjs';
import { expectSame } from './demo-tests.mjs';
import { kCheckpoint } from './demo-trial-tests.mjs';

/** Mostly free: then the site of the last time, which knows the hub's address, can be used again. */
const kPort = 47_613;

/** By name, what the files of a folder hold. */
const contentsOf = (folder) =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(path.join(folder, name))]));

/** @param {ReturnType<typeof import('./demo-tests.mjs').useDemo>} demo */
export function describeAddresses(demo) {
  describe('an address, on a page that was built for no host,', () => {
    test('is of the own site, as the page says', async () => {
      const page = await demo.open();
      const policy = await page.evaluate(
        () => document.querySelector('meta[http-equiv="Content-Security-Policy"]').content,
      );
      expect(policy).toMatch(/; connect-src 'self';/);
      await expect(page.appears('[data-testid=hosts]')).resolves.toMatch(
        /own site only.*npm run demo -- --connect https:\/\/huggingface\.co --connect https:\/\/\*\.hf\.co/,
      );
    });

    test('of others is asked nobody for', async () => {
      const page = await demo.open();
      const outcomes = {
        'hf:team/open':
          /may not read from https:\/\/huggingface\.co: .*npm run demo -- --connect https:\/\/huggingface\.co/,
        'https://models.example/a.gguf': /may not read from https:\/\/models\.example/,
        'ftp://models.example/a.gguf': /It is no address/,
      };
      for (const [address, message] of Object.entries(outcomes)) {
        await ask(page, address);
        await expect(refusalOf(page, address)).resolves.toMatch(message);
      }
    });
  });

  describe('an address, on a page that was built for a host,', () => describeConnected(demo));
}

function describeConnected(demo) {
  let hub;
  let server;
  let page;
  let root;

  beforeAll(async () => {
    const files = { 'README.md': Buffer.from('# A model'), 'little.safetensors': readFileSync(demo.model) };
    const models = {
      'team/open': { files },
      'team/private': { files, isPrivate: true },
      'team/Tiny-Llama': { files: contentsOf(kCheckpoint) },
    };
    hub = await startHub(models, { port: kPort });
    // Where large files are, and what else a test asks, is at other ports.
    const hosts = ['http://127.0.0.1:*'];
    root = await buildDemo({ hosts, hub: hub.url, folder: `build/demo-of-${new URL(hub.url).port}` });
    server = await serveDemo(root, { hosts });
  }, 600_000);
  afterEach(async () => {
    await page?.close();
    page = undefined;
  });
  afterAll(async () => {
    await server?.close();
    await hub?.close();
    // Another run has the usual port: nobody needs this site again.
    if (root?.endsWith(String(kPort)) === false) rmSync(root, { recursive: true, force: true });
  });

  const open = async () => (page = await demo.setting.openAt(server.url));

  test('is of those that the page names', async () => {
    await open();
    await expect(page.appears('[data-testid=hosts]')).resolves.toContain('and from http://127.0.0.1:*.');
  });

  test('that cannot be opened stays in the field', async () => {
    await open();
    await ask(page, 'hf:team/nowhere');
    await page.appears('[role=alert]');
    const left = await page.until('the field', () => document.querySelector('input[name=address]')?.value);
    expect(left).toBe('hf:team/nowhere');
  });

  test.each([
    ['the file', () => `${hub.url}/team/open/resolve/main/little.safetensors`, 'little-Q8_0.gguf'],
    ['the model', () => 'hf:team/open', 'open-Q8_0.gguf'],
    ['its page', () => `${hub.url}/team/open/tree/main?not=sent`, 'open-Q8_0.gguf'],
  ])('that is the name of %s is read by ranges', async (_title, address, name) => {
    await open();
    const before = hub.fetched.length;
    await ask(page, address());
    await page.choose('type', 'Q8_0');
    await page.choose('target', 'memory');
    await page.quantize();
    await page.finished();
    const expected = await demo.expectedBytes('expected.gguf', { type: 'Q8_0' });
    const made = await page.download(/^Download/, expected.length);
    expect(made.name).toBe(name);
    expectSame(made.bytes, expected);
    const asked = hub.fetched.slice(before).filter(({ method }) => method === 'GET');
    const ranges = asked.filter(({ headers }) => /^bytes=\d+-\d+$/.test(headers.range));
    expect(ranges.length).toBeGreaterThan(2);
    // WebKit forgets the range where a redirect leads to the file: once when it is opened, once when it is quantized.
    expect(asked.length - ranges.length).toBeLessThanOrEqual(2);
  });

  test('of a language model on a hub becomes the GGUF that Node makes of it', async () => {
    await open();
    await ask(page, 'hf:team/Tiny-Llama');
    await page.planned();
    expect(await page.appears('.plan-line')).toContain('opens in llama.cpp');
    await page.choose('target', 'memory');
    await page.quantize();
    await page.finished();
    const output = path.join(demo.setting.folder, 'of-a-hub.gguf');
    await demo.quantizer.quantizeFile('hf:team/Tiny-Llama', output, { type: 'Q4_K_M', hubUrl: hub.url });
    const expected = readFileSync(output);
    const made = await page.download(/^Download/, expected.length);
    expect(made.name).toBe('Tiny-Llama-Q4_K_M.gguf');
    expectSame(made.bytes, expected);
  });

  test('that needs a token gives it to the hub alone, and it is kept nowhere', async () => {
    await open();
    const before = hub.fetched.length;
    await ask(page, 'hf:team/private', 'hf_valid');
    await page.planned();
    expect(hub.requests.at(-1).headers.authorization).toBe('Bearer hf_valid');
    expect(JSON.stringify(hub.fetched.slice(before))).not.toContain('hf_valid');
    await expect(page.evaluate(whatIsKept)).resolves.not.toContain('hf_valid');
    await page.click('Another model');
    await page.until('the field', () => document.querySelector('input[name=token]') !== null);
    await expect(page.evaluate(() => document.querySelector('input[name=token]').value)).resolves.toBe('');
  });

  test('that is slow to open can be cancelled, and its token is forgotten', async () => {
    await open();
    const asked = new Promise((resolve) => {
      hub.before.hub = () => {
        resolve();
        return true;
      };
    });
    try {
      await ask(page, 'hf:team/private', 'hf_valid');
      await asked;
      await page.click('Cancel');
      await page.until('the field', () => document.querySelector('input[name=token]') !== null);
      await expect(page.evaluate(whatIsKept)).resolves.not.toContain('hf_valid');
    } finally {
      hub.before = {};
    }
  });

  test.each([
    ['hf:team/private', undefined, /401.*needs an access token/],
    ['hf:team/private', 'hf_wrong', /the access token is wrong, or has expired/],
    ['hf:team/open/litle.safetensors', undefined, /did you mean little\.safetensors\?/],
    ['https://models.example/a.gguf', undefined, /may not read from https:\/\/models\.example/],
  ])('that is %s, with the token %p, is refused in words', async (address, token, message) => {
    await open();
    await ask(page, address, token);
    const said = await page.appears('[role=alert] p');
    expect(said).toMatch(message);
    expect(said).toMatch(/^(Cannot read|This page may not read)/);
  });

  test('of a server that lets no page read is refused in words', async () => {
    const other = createServer((_request, response) => response.end());
    await new Promise((resolve) => other.listen(0, '127.0.0.1', resolve));
    try {
      await open();
      await ask(page, `http://127.0.0.1:${other.address().port}/m.gguf`);
      await expect(page.appears('[role=alert] p')).resolves.toMatch(/let pages read .*\(Access-Control-Allow-Origin\)/);
    } finally {
      other.closeAllConnections();
      await new Promise((resolve) => other.close(resolve));
    }
  });
}

/** Types an address, and a token where there is one, and opens it. */
async function ask(page, address, token) {
  await page.fill('Or an address', address);
  if (token !== undefined) {
    await page.evaluate(() => document.querySelector('.address-form details').setAttribute('open', ''));
    await page.fill('Access token', token);
  }
  await page.click('Open the address');
}

/** What the page says of an address, once it is this one that it speaks of. */
const refusalOf = (page, address) =>
  page.until(
    `a word on ${address}`,
    (wanted) => {
      const [name, reason] = [...document.querySelectorAll('[role=alert] > *')].map((one) => one.textContent);
      return name?.includes(wanted) === true && reason;
    },
    address,
  );

/** In the page: all that it has put somewhere, and what it shows. */
async function whatIsKept() {
  const databases = (await window.indexedDB?.databases?.()) ?? [];
  const urls = [];
  for (const name of (await window.caches?.keys()) ?? []) {
    for (const { url } of await (await window.caches.open(name)).keys()) urls.push(url);
  }
  const typed = [...document.querySelectorAll('input')].map(({ value }) => value);
  const stores = [typed, { ...window.localStorage }, { ...window.sessionStorage }, databases, urls];
  return JSON.stringify([...stores, document.cookie, document.body.innerHTML, location.href]);
}
