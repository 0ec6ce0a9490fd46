import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, cpSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { launchChromium } from '../browser/support/browsers.mjs';
import { kNotIsolatedBackend } from '../browser/support/place-tests.mjs';
import { kIsolation, kStrictPolicy, startServer } from '../browser/support/server.mjs';
import { within } from '../browser/support/time-limit.mjs';
import { makeProjectWithPackage, runProgram } from '../places/installed.mjs';

const here = (...parts) => path.join(fileURLToPath(new URL('.', import.meta.url)), ...parts);
const kPageLimit = 30_000;

/** By application: how it is built in `folder`, and the folder that is served then. */
const kApplications = {
  vite: { build: (folder) => bundle(folder, 'vite/bin/vite.js', 'build', '--base=./'), served: 'vite/dist' },
  webpack: { build: buildWithWebpack, served: 'webpack/dist' },
  esbuild: { build: buildWithEsbuild, served: 'esbuild/dist' },
  // Its import map leads to node_modules, and stands in the page: the policy has to allow that.
  plain: { build: () => undefined, served: '.', page: 'plain/', policy: {} },
};

const bundle = (folder, program, ...parameters) =>
  runProgram(process.execPath, [here('node_modules', program), ...parameters], { cwd: folder });

async function buildWithWebpack(folder) {
  const script = `import webpack from ${JSON.stringify(here('node_modules/webpack/lib/index.js'))};
    const performance = { hints: false }; // about the size of wasm files
    webpack({ mode: 'production', entry: './main.js', performance }, (error, stats) => {
      const problem = error ?? (stats.hasErrors() || stats.hasWarnings() ? stats.toString() : null);
      if (problem !== null) throw new Error(problem);
    });`;
  await runProgram(process.execPath, ['--input-type=module', '--eval', script], { cwd: folder });
  copyFileSync(path.join(folder, 'index.html'), path.join(folder, 'dist/index.html'));
}

/** esbuild does not follow `new URL('…', import.meta.url)`: docs/bundlers.md says what has to be copied. */
async function buildWithEsbuild(folder) {
  const entries = ['main.js', '../node_modules/arrowquant/dist/runtime/worker-browser.js'];
  const flags = ['--bundle', '--format=esm', '--minify', '--outdir=dist', '--entry-names=[name]'];
  await runProgram(here('node_modules/.bin/esbuild'), [...entries, ...flags], { cwd: folder });
  copyFileSync(path.join(folder, 'index.html'), path.join(folder, 'dist/index.html'));
  const wasm = path.join(folder, '../node_modules/arrowquant/dist/wasm');
  for (const name of readdirSync(wasm).filter((one) => /^arrowquant-.*\.(wasm|web\.mjs)$/.test(one))) {
    copyFileSync(path.join(wasm, name), path.join(folder, 'dist', name));
  }
}

let project;
let browser;
let server;

beforeAll(async () => {
  project = await makeProjectWithPackage();
  for (const name of Object.keys(kApplications)) {
    cpSync(here(name), path.join(project.folder, name), { recursive: true });
    copyFileSync(here('app/main.js'), path.join(project.folder, name, 'main.js'));
  }
  const sites = Object.entries(kApplications).flatMap(([name, { served, policy = kStrictPolicy }]) => {
    const root = path.join(project.folder, served);
    return [
      [`${name}-isolated`, { root, headers: { ...kIsolation, ...policy } }],
      [`${name}-not-isolated`, { root, headers: policy }],
    ];
  });
  server = await startServer(Object.fromEntries(sites));
  browser = await launchChromium();
}, 180_000);

afterAll(async () => {
  await browser?.close();
  await server?.close();
  project?.remove();
}, 60_000);

/** What the application says, and what the browser complains of. */
async function visit(url) {
  const page = await browser.newPage();
  const complaints = [];
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(url);
  const output = page.locator('output:not(:empty)');
  const outcome = JSON.parse(await output.textContent({ timeout: kPageLimit }));
  await page.close();
  return { outcome, complaints };
}

/** What Node makes of the same application, with a page that is no more than it needs. */
async function outcomeInNode() {
  const script = `globalThis.document = { querySelector: () => ({ set textContent(text) { console.log(text); } }) };
    await import('./plain/main.js');`;
  const { stdout } = await runProgram(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: project.folder,
  });
  return JSON.parse(stdout);
}

describe.each(Object.entries(kApplications))('%s', (name, { build, page = '' }) => {
  let expected;

  beforeAll(async () => {
    await build(path.join(project.folder, name));
    expected = await outcomeInNode();
  }, 120_000);

  test.each([
    ['isolated', 'threads'],
    ['not-isolated', kNotIsolatedBackend],
  ])("works unconfigured and gives Node's bytes: %s, with the backend %s", async (headers, backend) => {
    const { outcome, complaints } = await visit(server.url(`${name}-${headers}`, page));
    expect(outcome).toEqual({ ...expected, backend });
    expect(expected.progress).toEqual([['layer', 1]]);
    expect(complaints).toEqual([]);
  });
});

test("works unconfigured in Vite's development server", async () => {
  const script = `import { createServer } from ${JSON.stringify(here('node_modules/vite/dist/node/index.js'))};
    const headers = ${JSON.stringify(kIsolation)};
    const server = await createServer({ server: { headers, host: '127.0.0.1', port: 0, hmr: false } });
    await server.listen();
    process.send(server.resolvedUrls.local[0]);`;
  const flags = { cwd: path.join(project.folder, 'vite'), stdio: ['ignore', 'ignore', 'inherit', 'ipc'] };
  const vite = spawn(process.execPath, ['--input-type=module', '--eval', script], flags);
  try {
    const [url] = await within(kPageLimit, 'Vite did not listen', once(vite, 'message'));
    const { outcome, complaints } = await visit(url);
    expect(outcome).toEqual({ ...(await outcomeInNode()), backend: 'threads' });
    expect(complaints).toEqual([]);
  } finally {
    vite.kill();
  }
});
