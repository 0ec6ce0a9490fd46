import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { kIsolation, startServer } from '../browser/support/server.mjs';
import { startOddServer } from './support/odd-server.mjs';
import { createIn, kBrowsers, withBrowser, visit } from './support/pages.mjs';
import { makeApplication, makeProject, outcomeInNode, page, readText, runCommands } from './support/projects.mjs';
import { recipe } from './support/recipes.mjs';

/** What a CDN sends: whoever wants may read. */
const kOpen = { 'Access-Control-Allow-Origin': '*', 'Cross-Origin-Resource-Policy': 'cross-origin' };
const kPlaces = [
  ['isolated', kIsolation, 'threads'],
  ['not isolated', {}, 'workers'],
];
const kBytes = 150_000;

let project;
/** Origins: the CDN, one that allows nothing, and the pages' own by whether they are isolated. */
let cdn;
let closed;
const pages = {};
let site;
let expected;

beforeAll(async () => {
  project = await makeProject();
  const dist = path.join(project.folder, 'node_modules/arrowquant/dist');
  cdn = await startOddServer(dist, { headers: kOpen });
  closed = await startOddServer(dist, { headers: { 'Cross-Origin-Resource-Policy': 'cross-origin' } });
  for (const [name, headers] of kPlaces) pages[name] = await startOddServer(dist, { headers });
  makeCdnPage();
  await makeOneFile();
  const policy = `script-src 'self' 'wasm-unsafe-eval' ${cdn.origin}; connect-src ${cdn.origin}; worker-src blob: ${cdn.origin}`;
  const sites = kPlaces.map(([name, headers]) => {
    const headersOf = (file) => ({ ...headers, ...(file.startsWith('cdn/') && { 'Content-Security-Policy': policy }) });
    return [name.replace(' ', '-'), { root: project.folder, headers: headersOf }];
  });
  site = await startServer(Object.fromEntries(sites));
  expected = await outcomeInNode(project);
}, 120_000);

afterAll(async () => {
  for (const one of [cdn, closed, site, ...Object.values(pages)]) await one?.close();
  project?.remove();
}, 60_000);

/** The recipe, with a CDN that there is. */
function makeCdnPage() {
  const { 'quantizer.js': text } = recipe('A CDN').files;
  const files = { 'quantizer.js': text.replace('https://cdn.example.org/arrowquant/dist', cdn.origin) };
  makeApplication(project, 'cdn', { entry: 'with-recipe.js', files });
}

/** Everything in one HTML file: the recipe of the standalone file, bundled, in a script of the page. */
async function makeOneFile() {
  const folder = makeApplication(project, 'one-file', { entry: 'with-recipe.js', files: recipe('One file').files });
  await runCommands(folder, 'esbuild main.js --bundle --format=esm --minify --outdir=dist');
  const script = readText(folder, 'dist/main.js');
  writeFileSync(path.join(folder, 'page.html'), page('in one file', `<script type="module">${script}</script>`));
}

describe.each(kBrowsers)('in %s', (_, launch) => {
  const running = withBrowser(launch);

  /** What `create` comes to in the page of a place, with the package of the page's own origin. */
  const createAt = (place, options, module = '/browser.js') =>
    createIn(running.browser, pages[place].origin, module, options);

  describe.each(kPlaces)('%s', (place, __, backend) => {
    const kFile = backend === 'threads' ? 'arrowquant-threads.wasm' : 'arrowquant-single.wasm';
    const fallback = backend === 'threads' ? null : expect.stringMatching(/^threads: .*isolated/);
    const working = () => ({ outcome: { backend, fallback, bytes: kBytes }, lines: [] });

    test('the wasm and the workers come from another origin', async () => {
      const wasmUrl = `${cdn.origin}/wasm/${kFile}`;
      expect(await createAt(place, { wasmUrl, workerUrl: `${cdn.origin}/worker.js` })).toEqual(working());
    });

    test('a folder of another origin holds the wasm', async () => {
      expect(await createAt(place, { wasmUrl: `${cdn.origin}/wasm/` })).toEqual(working());
    });

    test.each(['ArrayBuffer', 'Uint8Array', 'Module'])('the wasm is given as an %s', async (kind) => {
      const wasmBinary = { $bytesOf: `${cdn.origin}/wasm/${kFile}`, kind };
      expect(await createAt(place, { wasmBinary })).toEqual(working());
    });

    test('the wasm and the workers are Blobs', async () => {
      const wasmUrl = { $blobOf: `${cdn.origin}/wasm/${kFile}` };
      expect(await createAt(place, { wasmUrl, workerUrl: { $blobOf: `${cdn.origin}/worker.js` } })).toEqual(working());
    });

    test('the whole package comes from a CDN, as the recipe has it', async () => {
      const { outcome, lines } = await visit(running.browser, site.url(place.replace(' ', '-'), 'cdn/'));
      expect({ outcome, lines }).toEqual({ outcome: { ...expected, backend, fallback }, lines: [] });
    });

    test.each([
      ['a CDN', () => `${cdn.origin}/arrowquant.standalone.js`],
      ['a Blob', () => ({ $blobOf: `${cdn.origin}/arrowquant.standalone.js` })],
    ])('the standalone file comes from %s', async (___, module) => {
      expect(await createAt(place, {}, module())).toEqual(working());
    });

    test('all is in one HTML file', async () => {
      const { outcome, lines } = await visit(running.browser, site.url(place.replace(' ', '-'), 'one-file/page.html'));
      expect({ outcome, lines }).toEqual({ outcome: { ...expected, backend, fallback }, lines: [] });
    });
  });

  test('the wasm of the other build decides for the backend that it is for', async () => {
    const { outcome, lines } = await createAt('isolated', { wasmUrl: `${cdn.origin}/wasm/arrowquant-single.wasm` });
    const fallback = expect.stringMatching(/^threads: wasmUrl .*arrowquant-threads\.wasm/);
    expect({ outcome, lines }).toEqual({ outcome: { backend: 'workers', fallback, bytes: kBytes }, lines: [] });
  });

  test('an origin that lets nobody read is told of', async () => {
    const { outcome } = await createAt('isolated', { wasmUrl: `${closed.origin}/wasm/`, backend: 'single' });
    const address = closed.origin.replaceAll('.', '\\.');
    const message = expect.stringMatching(
      new RegExp(`could not be fetched from ${address}/wasm/arrowquant-single\\.wasm .*CORS`),
    );
    expect(outcome).toEqual({ code: 'startup_failed', message });
  });
});
