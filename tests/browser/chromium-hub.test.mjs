/** Models on a hub, and on servers of other origins, in a page without a bundler. */
import { createServer } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startHub } from '../js/support/hub.mjs';
import { halfTensor, modelFile } from '../js/support/models/safetensors.mjs';
import { launchChromium } from './support/browsers.mjs';
import { kIsolation, startServer } from './support/server.mjs';

const kTensors = [1, 2].map((seed) => halfTensor(`layer.${String(seed)}.weight`, [256, 256], seed));
const kFiles = {
  'model.safetensors.index.json': Buffer.from(
    JSON.stringify({
      weight_map: {
        'layer.1.weight': 'model-00001-of-00002.safetensors',
        'layer.2.weight': 'model-00002-of-00002.safetensors',
      },
    }),
  ),
  'model-00001-of-00002.safetensors': modelFile(kTensors.slice(0, 1)),
  'model-00002-of-00002.safetensors': modelFile(kTensors.slice(1)),
};

let server;
let browser;
let hub;
let page;
let requests;
beforeAll(async () => {
  const open = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src *; img-src 'self' data:";
  server = await startServer({ open: { headers: { ...kIsolation, 'Content-Security-Policy': open } } });
  browser = await launchChromium();
}, 120_000);
beforeEach(async () => {
  hub = await startHub({ 'team/model': { files: kFiles, isPrivate: true } });
});
afterEach(async () => {
  await page?.close();
  await hub.close();
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

async function visit(site) {
  page = await browser.newPage();
  requests = [];
  page.on('request', (request) => requests.push(request.url()));
  await page.goto(server.url(site, 'tests/browser/pages/blank.html'));
}

/** What the page's `inspectFile` comes to: names of tensors, or the error. */
const inspect = (source, options = {}, entry = 'browser.js') =>
  page.evaluate(
    async ([site, from, given, module]) => {
      const { ArrowQuant } = await import(`/${site}/dist/${module}`);
      const quantizer = await ArrowQuant.create({ backend: 'single' });
      try {
        const { tensors } = await quantizer.inspectFile(from ?? new Blob(['none']), given);
        return tensors.map(({ name }) => name);
      } catch ({ code, message }) {
        return `${code}: ${message}`;
      } finally {
        await quantizer.dispose();
      }
    },
    [new URL(page.url()).pathname.split('/')[1], source, options, entry],
  );

describe('a model on a hub', () => {
  const entries = ['browser.js', 'single.js', 'arrowquant.standalone.js'];

  test.each(entries)('is read by %s, with a token that the hub alone gets to see', async (entry) => {
    await visit('open');
    const options = { hubUrl: hub.url, accessToken: 'hf_valid' };
    await expect(inspect('hf:team/model', options, entry)).resolves.toEqual(['layer.1.weight', 'layer.2.weight']);
    const asked = hub.requests.filter(({ method }) => method === 'GET');
    expect(asked.every(({ headers }) => headers.authorization === 'Bearer hf_valid')).toBe(true);
    expect(hub.fetched.filter(({ method }) => method === 'GET').length).toBeGreaterThanOrEqual(2);
    expect(JSON.stringify(hub.fetched)).not.toContain('hf_valid');
  });

  test('is refused in the words of the hub', async () => {
    await visit('open');
    await expect(inspect('hf:team/model', { hubUrl: hub.url })).resolves.toMatch(
      /^unreadable_input: .*the server answers 401.*needs an access token/,
    );
  });

  test('is not asked for headers that a redirect would hand on', async () => {
    await visit('open');
    const options = { hubUrl: hub.url, accessToken: 'hf_valid', headers: { 'X-Team': 's3cret' } };
    await expect(inspect('hf:team/model', options)).resolves.toMatch(/browsers would send x-team there, too/);
    expect(hub.fetched).toEqual([]);
  });

  test('is read by code that no other page loads', async () => {
    await visit('open');
    const loaded = () => requests.filter((url) => /hub\.js|remote-/.test(url)).map((url) => url.replace(/.*\//, ''));
    await expect(inspect(null)).resolves.toMatch(/^invalid_file/);
    expect(loaded()).toEqual([]);
    await inspect('hf:team/model', { hubUrl: hub.url });
    expect(loaded()).toEqual([expect.stringMatching(/^remote-/), 'hub.js']);
  });
});

describe('says what is in the way:', () => {
  test('the policy of the page', async () => {
    await visit('isolated');
    await expect(inspect('hf:team/model', { hubUrl: hub.url })).resolves.toMatch(/^unreadable_input: .*connect-src/);
    expect(hub.requests).toEqual([]);
  });

  test('a server that lets no other page read', async () => {
    await visit('open');
    const other = createServer((_request, response) => response.end('secret'));
    await new Promise((resolve) => other.listen(0, '127.0.0.1', resolve));
    try {
      const url = `http://127.0.0.1:${other.address().port}/m.gguf`;
      await expect(inspect(url)).resolves.toMatch(/^unreadable_input: .*Access-Control-Allow-Origin/);
    } finally {
      other.closeAllConnections();
      await new Promise((resolve) => other.close(resolve));
    }
  });
});
