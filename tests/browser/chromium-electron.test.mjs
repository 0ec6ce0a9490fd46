import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from '../../dist/index.js';
import { inProject } from '../../tools/lib/paths.mjs';
import { makeSampleModel } from '../../tools/make-sample-model.mjs';
import { writeSparseModel } from '../js/cli/support/sparse.mjs';
import { launchChromium } from './support/browsers.mjs';
import { openElectronWindow } from './support/electron-window.mjs';
import { installExample } from '../js/examples/support/example.mjs';
import { useFolder } from '../js/support/models/folder.mjs';

const kScreenshots = inProject('build/screenshots');
const example = installExample('electron');
const folder = useFolder();
let browser;
let context;
let window;
let page;
let problems;

beforeAll(async () => {
  mkdirSync(kScreenshots, { recursive: true });
  browser = await launchChromium();
});
afterAll(async () => {
  await browser?.close();
  example.remove();
});

async function open(choices, options = {}) {
  context = await browser.newContext({ viewport: { width: 960, height: 860 }, ...options });
  problems = [];
  context.on('weberror', (error) => problems.push(String(error.error())));
  context.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) problems.push(message.text());
  });
  choices.output ??= (name) => folder.path(name);
  window = await openElectronWindow(context, example, choices);
  ({ page } = window);
}
afterEach(async () => {
  await window.close();
  await context.close();
});

const button = (name) => page.getByRole('button', { name });
const heading = (name) => page.getByRole('heading', { name });
const picture = (name) => page.screenshot({ path: `${kScreenshots}/electron-${name}.png`, fullPage: true });

/** Chooses the model that the dialog will give and starts a job. */
async function quantize(format) {
  const { input } = window.choices;
  await button('Choose a file…').click();
  await page.locator('#model', { hasText: path.basename(input) }).waitFor();
  await page.getByLabel('Format').selectOption(format);
  await button('Quantize…').click();
}

describe('the window of the Electron example', () => {
  test('quantizes the chosen model, shows how far it is, and what came of it', async () => {
    makeSampleModel(folder.path('model.safetensors'), { megabytes: 16 });
    await open({ input: folder.path('model.safetensors') });
    expect(await button('Quantize…').isDisabled()).toBe(true);
    await page.getByText('In a process of its own, with').waitFor();
    await picture('start');
    await quantize('int4');
    await heading('Done').waitFor();
    expect(await page.locator('#outcome-text').textContent()).toContain(folder.path('model-int4.safetensors'));
    expect(await page.evaluate(() => document.activeElement.id)).toBe('outcome');
    await picture('done');

    const quantizer = await ArrowQuant.create();
    const report = await quantizer.quantizeFile(folder.path('model.safetensors'), folder.path('direct.safetensors'));
    await quantizer.dispose();
    expect(await page.getByRole('row').count()).toBe(report.tensors.length + 1);
    const [served, direct] = ['model-int4', 'direct'].map((name) => readFileSync(folder.path(`${name}.safetensors`)));
    expect(served.equals(direct)).toBe(true);

    await button('Show in folder').click();
    expect(window.main.shown).toEqual([folder.path('model-int4.safetensors')]);
    expect(problems).toEqual([]);
  });

  test('follows a long job, and cancels it', async () => {
    writeSparseModel(folder.path('long.safetensors'), 2 ** 33, 128);
    await open({ input: folder.path('long.safetensors') }, { colorScheme: 'dark' });
    await quantize('int8');
    const bar = page.getByRole('progressbar', { name: 'Quantizing long.safetensors' });
    const valueBeyond = async (limit) => {
      await page.waitForFunction((least) => document.querySelector('progress').value > least, limit);
      return bar.evaluate(({ value }) => value);
    };
    const first = await valueBeyond(0);
    expect(await valueBeyond(first)).toBeGreaterThan(first);
    await valueBeyond(0.05);
    expect(await page.locator('#speed').textContent()).toMatch(/^.+ of 8\.59 GB · \d+\.\d\d GB\/s · .+ left$/);
    expect(await page.evaluate(() => document.activeElement.id)).toBe('cancel');
    await picture('running-dark');
    await button('Cancel').click();
    await heading('Cancelled').waitFor();
    expect(folder.list()).toEqual(['long.safetensors']);
    expect(await button('Quantize…').isEnabled()).toBe(true);
    expect(problems).toEqual([]);
  });

  test('says what is wrong with a file, and takes the next', async () => {
    const choices = { input: folder.write('broken.safetensors', 'GIF89a, as we all know') };
    await open(choices, { colorScheme: 'dark' });
    await quantize('int4');
    await heading('That did not work').waitFor();
    expect(await page.locator('#outcome-text').textContent()).toMatch(/^Cannot read .*broken\.safetensors: /);
    expect(await button('Show in folder').isVisible()).toBe(false);
    await picture('failed-dark');
    expect(folder.list()).toEqual(['broken.safetensors']);

    choices.input = folder.path('model.safetensors');
    makeSampleModel(choices.input, { megabytes: 1 });
    await quantize('int2');
    await heading('Done').waitFor();
    expect(problems).toEqual([]);
  });

  test('says when the process has ended, and starts another', async () => {
    const choices = { input: folder.path('long.safetensors') };
    writeSparseModel(choices.input, 2 ** 33, 128);
    await open(choices);
    await quantize('int4');
    await page.waitForFunction(() => document.querySelector('progress').value > 0);
    await window.main.worker.terminate();
    await heading('That did not work').waitFor();
    expect(await page.locator('#outcome-text').textContent()).toContain('has ended');

    choices.input = folder.path('model.safetensors');
    makeSampleModel(choices.input, { megabytes: 1 });
    await quantize('int4');
    await heading('Done').waitFor();
    expect(problems).toEqual([]);
  });

  test('does nothing when the dialogs are left without a choice', async () => {
    const choices = { input: null, output: () => null };
    await open(choices);
    await button('Choose a file…').click();
    expect(await button('Quantize…').isDisabled()).toBe(true);
    choices.input = folder.path('model.safetensors');
    makeSampleModel(choices.input, { megabytes: 1 });
    await quantize('int4');
    await page.waitForFunction(() => !document.getElementById('start').disabled);
    expect(await page.getByRole('progressbar').isVisible()).toBe(false);
    expect(folder.list()).toEqual(['model.safetensors']);
  });

  test('has threads in the page itself, thanks to the headers of its protocol', async () => {
    await open({ input: null }, { viewport: { width: 390, height: 844 } });
    await page.getByText('Quantize in this window, with threads').click();
    await button('Run the test').click();
    await page.getByText('Largest error, in steps').waitFor();
    const shown = async (id) => page.locator(id).textContent();
    expect(await shown('#test-backend')).toMatch(/^threads, [1-9]/);
    expect(await shown('#test-isolated')).toBe('yes');
    const error = Number(await shown('#test-error'));
    expect(error).toBeGreaterThan(0.4);
    expect(error).toBeLessThanOrEqual(0.5);
    await picture('threads-narrow');
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    expect(overflow).toBe(0);
    expect(problems).toEqual([]);
  });

  test('lets no other script run than its own', async () => {
    await open({ input: null });
    await page.evaluate(() => {
      const script = document.createElement('script');
      script.textContent = 'window.injected = true';
      document.body.append(script);
    });
    expect(await page.evaluate(() => window.injected)).toBeUndefined();
    expect(problems.join()).toMatch(/Content Security Policy/);
  });
});
