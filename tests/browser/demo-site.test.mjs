import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { serveDemo } from '../../tools/demo/server.mjs';
import { inProject } from '../../tools/lib/paths.mjs';
import { buildSite } from '../../tools/site.mjs';
import { brokenLinks, pagesUnder } from '../../tools/site/links.mjs';
import { launchChromium } from './support/browsers.mjs';

let site;
let browser;
let server;

beforeAll(async () => {
  site = await buildSite();
  browser = await launchChromium();
  server = await serveDemo(site, { bare: true });
}, 600_000);

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

test('the site has a page for all that the package exports, and no link of it leads nowhere', () => {
  const pages = pagesUnder(site);
  expect(pages).toEqual(
    expect.arrayContaining([
      'classes/arrowquant.ArrowQuant.html',
      'types/arrowquant_arrow.QuantizedColumns.html',
      'functions/arrowquant_wasm.default.html',
    ]),
  );
  expect(pages.filter((page) => page.startsWith('documents/')).length).toBeGreaterThan(4);
  expect(brokenLinks(site)).toEqual([]);
});

test('the reference says what computed names stand for', () => {
  const page = readFileSync(path.join(site, 'types/arrowquant.CodecName.html'), 'utf8');
  for (const name of ['Q4_K', 'F16', 'affine']) expect(page).toContain(`&quot;${name}&quot;`);
});

test('hosts are told to send the demo the headers that threads need', () => {
  const [scope, ...headers] = readFileSync(path.join(site, '_headers'), 'utf8').trimEnd().split('\n');
  expect(scope).toBe('/demo/*');
  expect(headers).toContain('  Cross-Origin-Opener-Policy: same-origin');
  expect(headers).toContain('  Cross-Origin-Embedder-Policy: require-corp');
  expect(headers.join('\n')).toContain("  Content-Security-Policy: default-src 'none'; ");
});

test('people get from the documentation to a page of the reference, to the demo, and back', async () => {
  const page = await browser.newPage({ viewport: { width: 1360, height: 900 } });
  const problems = [];
  page.on('pageerror', ({ message }) => problems.push(message));
  page.on('requestfailed', (request) => problems.push(request.url()));
  await page.goto(server.url);
  await page.screenshot({ path: inProject('build/screenshots/site-start.png') });
  await page.goto(`${server.url}classes/arrowquant.ArrowQuant.html`);
  await page.getByRole('heading', { name: 'Class ArrowQuant' }).waitFor();
  await page.screenshot({ path: inProject('build/screenshots/site-class.png') });
  await page.getByRole('link', { name: 'Demo' }).first().click();
  await page.locator('.engine-details').waitFor();
  expect(page.url()).toBe(`${server.url}demo/`);
  await page.getByRole('link', { name: 'documentation and API reference' }).click();
  const titles = page.getByRole('heading', { name: 'ArrowQuant', level: 1 });
  await titles.first().waitFor();
  expect(page.url()).toBe(server.url);
  expect(await titles.count()).toBe(1);
  expect(problems).toEqual([]);
});
