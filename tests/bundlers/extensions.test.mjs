/* global chrome, navigator */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { launchChromium, launchChromiumWithExtension } from '../browser/support/browsers.mjs';
import { kStrictPolicy, startServer } from '../browser/support/server.mjs';
import { makeApplication, makeProject, outcomeInNode, runCommands } from './support/projects.mjs';
import { recipe } from './support/recipes.mjs';

let project;
let expected;

beforeAll(async () => {
  project = await makeProject();
  expected = await outcomeInNode(project);
}, 60_000);
afterAll(() => project?.remove());

const kOneThread = {
  backend: 'single',
  fallback: expect.stringMatching(/^threads: arrowquant\/single .*workers: arrowquant\/single /),
};

describe('a service worker', () => {
  const { files, commands } = recipe('Service workers');
  const kScript = `import { createQuantizer } from './quantizer.js';
    import { outcomeOf } from './work.js';
    self.onmessage = ({ ports: [port] }) => outcomeOf({ create: createQuantizer }).then((outcome) => port.postMessage(outcome));`;
  const kClassic = commands.replace('--format=esm', '--format=iife --define:import.meta.url=location.href');
  let browser;
  let server;

  beforeAll(async () => {
    for (const [name, line] of [
      ['module', commands],
      ['classic', kClassic],
    ]) {
      const folder = makeApplication(project, name, { script: '', files: { ...files, 'service-worker.js': kScript } });
      await runCommands(folder, line);
      writeFileSync(path.join(folder, 'dist/index.html'), '<!doctype html><link rel="icon" href="data:," />');
    }
    const site = (name) => ({ root: path.join(project.folder, name, 'dist'), headers: kStrictPolicy });
    server = await startServer({ module: site('module'), classic: site('classic') });
    browser = await launchChromium();
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  /** Registers the script of a page, and asks it. */
  async function outcomeIn(type) {
    const page = await browser.newPage();
    await page.goto(server.url(type, ''));
    const outcome = await page.evaluate(async (kind) => {
      await navigator.serviceWorker.register('service-worker.js', { type: kind });
      const { active } = await navigator.serviceWorker.ready;
      const { port1, port2 } = new MessageChannel();
      const answer = new Promise((resolve) => (port1.onmessage = ({ data }) => resolve(data)));
      active.postMessage('work', [port2]);
      return answer;
    }, type);
    await page.close();
    return outcome;
  }

  test.each(['module', 'classic'])('of the type %s quantizes', async (type) => {
    expect(await outcomeIn(type)).toEqual({ ...expected, ...kOneThread });
  });
});

describe('an extension of Manifest V3', () => {
  const { files, commands } = recipe('Browser extensions');
  const answering = (name, text) => `${text}
    import { outcomeOf } from './work.js';
    chrome.runtime.onMessage.addListener((message, _, respond) => {
      if (message !== '${name}') return false;
      outcomeOf({ create: createQuantizer }).then(respond);
      return true;
    });`;
  let profile;
  let context;
  let page;

  beforeAll(async () => {
    const own = {
      ...files,
      'background.js': `${answering('background', files['background.js'])}
        chrome.runtime.onMessage.addListener((message, _, respond) => {
          if (message !== 'open') return false;
          openOffscreenDocument().then(() => respond('opened'));
          return true;
        });`,
      'offscreen.js': answering('offscreen', files['offscreen.js']),
    };
    const folder = makeApplication(project, 'extension', { script: '', files: own });
    await runCommands(folder, commands);
    rmSync(path.join(folder, 'node_modules'));
    profile = mkdtempSync(path.join(tmpdir(), 'arrowquant profile '));
    context = await launchChromiumWithExtension(folder, profile);
    const background = context.serviceWorkers()[0] ?? (await context.waitForEvent('serviceworker'));
    page = await context.newPage();
    await page.goto(new URL('index.html', background.url()).href);
  }, 120_000);
  afterAll(async () => {
    await context?.close();
    if (profile !== undefined) rmSync(profile, { recursive: true, force: true });
  });

  const ask = (message) => page.evaluate((text) => chrome.runtime.sendMessage(text), message);

  test('its background quantizes on one thread', async () => {
    expect(await ask('background')).toEqual({ ...expected, ...kOneThread });
  });

  test('its offscreen document has threads', async () => {
    expect(await ask('open')).toBe('opened');
    expect(await ask('offscreen')).toEqual({ ...expected, backend: 'threads', fallback: null });
  });
});
