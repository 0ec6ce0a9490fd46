import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { launchChromium } from '../browser/support/browsers.mjs';
import { within } from '../browser/support/time-limit.mjs';
import { runProgram } from '../places/installed.mjs';
import { visit } from './support/pages.mjs';
import { copyTools, kEnvironment, makeApplication, makeProject, outcomeInNode } from './support/projects.mjs';
import { recipe } from './support/recipes.mjs';

const kServerLimit = 30_000;
/** What Next compiles, and what it finds beside itself. */
const kCompiled = ['next', 'react', 'react-dom', 'scheduler', 'styled-jsx', 'client-only', '@swc/helpers', '@next/env'];
const kBeside = [
  '@next/swc-linux-x64-gnu',
  'baseline-browser-mapping',
  'caniuse-lite',
  'postcss',
  'nanoid',
  'picocolors',
];

const kFiles = {
  'package.json': '{ "name": "somebodys-pages", "private": true }',
  'app/layout.js': `export default function Layout({ children }) {
    return <html lang="en"><head><link rel="icon" href="data:," /></head><body>{children}</body></html>;
  }`,
  'app/page.js': `'use client';
    import { ArrowQuant } from 'arrowquant';
    import { useEffect, useState } from 'react';
    import { outcomeOf } from '../work.js';
    export default function Page() {
      const [outcome, setOutcome] = useState(null);
      useEffect(() => void outcomeOf(ArrowQuant).then(setOutcome), []);
      return <output>{outcome === null ? '' : JSON.stringify(outcome)}</output>;
    }`,
  'app/server/page.js': `import { ArrowQuant } from 'arrowquant';
    import { outcomeOf } from '../../work.js';
    export const dynamic = 'force-dynamic';
    export default async function Page() {
      return <output>{JSON.stringify(await outcomeOf(ArrowQuant))}</output>;
    }`,
  'app/api/route.js': `import { ArrowQuant } from 'arrowquant';
    import { outcomeOf } from '../../work.js';
    export const dynamic = 'force-dynamic';
    export const GET = async () => Response.json(await outcomeOf(ArrowQuant));`,
};
const { 'next.config.mjs': kRecipe } = recipe('Next.js').files;
const kSetting = /^ *serverExternalPackages: .*\n/m;

let project;
let browser;
let expected;

beforeAll(async () => {
  project = await makeProject(kBeside);
  copyTools(project, kCompiled);
  expected = await outcomeInNode(project);
  browser = await launchChromium();
}, 180_000);

afterAll(async () => {
  await browser?.close();
  project?.remove();
}, 60_000);

const next = (...parameters) => [path.join(project.folder, 'node_modules/next/dist/bin/next'), ...parameters];

/** Builds the application with a configuration, and serves it. */
async function startApplication(name, config, leftOut = []) {
  const files = Object.fromEntries(Object.entries(kFiles).filter(([file]) => !leftOut.includes(file)));
  const folder = makeApplication(project, name, { files: { ...files, 'next.config.mjs': config } });
  await runProgram(process.execPath, next('build'), { cwd: folder, env: kEnvironment });
  const server = spawn(process.execPath, next('start', '--hostname=127.0.0.1', '--port=0'), {
    cwd: folder,
    env: kEnvironment,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return { server, url: await within(kServerLimit, 'Next did not listen', addressOf(server)) };
}

async function addressOf({ stdout }) {
  let text = '';
  for await (const line of createInterface({ input: stdout })) {
    text += `${line}\n`;
    const [, address] = /Local: +(http:\S+)/.exec(line) ?? [];
    if (address !== undefined) {
      stdout.resume();
      return address;
    }
  }
  throw new Error(`Next has ended:\n${text}`);
}

const answer = async (url) => (await fetch(url, { signal: AbortSignal.timeout(kServerLimit) })).json();

describe('with the configuration of docs/bundlers.md', () => {
  let application;

  beforeAll(async () => {
    application = await startApplication('next', kRecipe);
  }, 180_000);
  afterAll(() => application?.server.kill());

  test('a client component has threads', async () => {
    const { outcome, lines } = await visit(browser, application.url);
    expect({ outcome, lines }).toEqual({ outcome: { ...expected, backend: 'threads', fallback: null }, lines: [] });
  });

  test('an API route has threads', async () => {
    expect(await answer(`${application.url}/api`)).toEqual({ ...expected, backend: 'threads', fallback: null });
  });

  test('a server component has threads', async () => {
    const { outcome } = await visit(browser, `${application.url}/server`);
    expect(outcome).toEqual({ ...expected, backend: 'threads', fallback: null });
  });
});

describe('without serverExternalPackages', () => {
  let application;

  beforeAll(async () => {
    const config = kRecipe.replace(kSetting, '');
    expect(config).not.toBe(kRecipe);
    application = await startApplication('next-bundled', config, ['app/page.js', 'app/server/page.js']);
  }, 180_000);
  afterAll(() => application?.server.kill());

  test('an API route works on one thread, and says which setting is missing', async () => {
    const fallback = expect.stringMatching(/serverExternalPackages: \["arrowquant"\]/);
    expect(await answer(`${application.url}/api`)).toEqual({ ...expected, backend: 'single', fallback });
  });
});
