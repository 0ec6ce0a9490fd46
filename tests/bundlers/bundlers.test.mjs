import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { launchChromium } from '../browser/support/browsers.mjs';
import { kNotIsolatedBackend } from '../browser/support/place-tests.mjs';
import { kIsolation, kStrictPolicy, startServer } from '../browser/support/server.mjs';
import { within } from '../browser/support/time-limit.mjs';
import { kApplications, kLinked, kUnread } from './support/applications.mjs';
import { visit } from './support/pages.mjs';
import { makeApplication, makeProject, outcomeInNode, readText, tool } from './support/projects.mjs';

const kServerLimit = 30_000;

let project;
let browser;
let server;
let expected;

beforeAll(async () => {
  project = await makeProject(kLinked);
  const all = Object.entries({ ...kApplications, ...kUnread });
  for (const [name, application] of all) makeApplication(project, name, application);
  const sites = all.flatMap(([name, { served = 'dist', policy = kStrictPolicy }]) => {
    const root = path.join(project.folder, name, served);
    return [
      [`${name}-isolated`, { root, headers: { ...kIsolation, ...policy } }],
      [`${name}-not-isolated`, { root, headers: policy }],
    ];
  });
  server = await startServer(Object.fromEntries(sites));
  browser = await launchChromium();
  expected = await outcomeInNode(project);
}, 180_000);

afterAll(async () => {
  await browser?.close();
  await server?.close();
  project?.remove();
}, 60_000);

test('the application does what it is meant to', () => {
  expect(expected).toEqual({ sum: expect.any(Number), groups: 2344, progress: [['layer', 1]] });
});

describe.each(Object.entries(kApplications))('%s', (name, { build, served }) => {
  beforeAll(() => build(path.join(project.folder, name)), 120_000);

  test.each([
    ['isolated', 'threads', null],
    ['not-isolated', kNotIsolatedBackend, expect.stringMatching(/^threads: .*cross-origin isolated/)],
  ])("gives Node's bytes, %s, with the backend %s", async (headers, backend, fallback) => {
    const { outcome, lines } = await visit(
      browser,
      server.url(`${name}-${headers}`, served === '..' ? `${name}/` : ''),
    );
    expect({ outcome, lines }).toEqual({ outcome: { ...expected, backend, fallback }, lines: [] });
  });
});

test.each(Object.entries(kUnread))('%s says what is missing, and what to do', async (name, { build }) => {
  await build(path.join(project.folder, name));
  const { outcome } = await visit(browser, server.url(`${name}-isolated`, ''));
  const message = expect.stringMatching(
    /\/arrowquant-single\.wasm was answered with 404.*serve arrowquant\/dist\/wasm.* wasmUrl.* arrowquant\/standalone/,
  );
  expect(outcome).toEqual({ code: 'startup_failed', message });
});

test('no bundler has changed what the project depends on', () => {
  expect(Object.keys(JSON.parse(readText(project.folder, 'package.json')).dependencies)).toEqual(['arrowquant']);
  expect(readText(project.folder, 'parcel/package.json')).toBe(kApplications.parcel.files['package.json']);
});

/** What an application says in a development server of Vite. */
async function outcomeInDevelopment(version, application) {
  const script = `import { createServer } from ${JSON.stringify(tool(`${version}/dist/node/index.js`))};
    const headers = ${JSON.stringify(kIsolation)};
    const server = await createServer({ server: { headers, host: '127.0.0.1', port: 0, hmr: false } });
    await server.listen();
    process.send(server.resolvedUrls.local[0]);`;
  const flags = { cwd: path.join(project.folder, application), stdio: ['ignore', 'ignore', 'inherit', 'ipc'] };
  const vite = spawn(process.execPath, ['--input-type=module', '--eval', script], flags);
  try {
    const [url] = await within(kServerLimit, 'Vite did not listen', once(vite, 'message'));
    return (await visit(browser, url)).outcome;
  } finally {
    vite.kill();
  }
}

test.each([
  ['vite', 'vite'],
  ['vite', 'vite-worker'],
  ['vite5', 'vite5-worker'],
])('has threads in the development server of %s: %s', async (version, application) => {
  const outcome = await outcomeInDevelopment(version, application);
  expect(outcome).toEqual({ ...expected, backend: 'threads', fallback: null });
});

test('names the setting that the development server of an older Vite lacks', async () => {
  expect(await outcomeInDevelopment('vite5', 'vite5')).toEqual({
    code: 'startup_failed',
    message: expect.stringMatching(
      /arrowquant-single\.wasm was answered with .*optimizeDeps: \{ exclude: \['arrowquant'\] \}/,
    ),
  });
});
