import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { serveDemo } from '../../tools/demo/server.mjs';
import { startDemo } from './support/demo.mjs';
import { chooseFolder, kGraph } from './support/demo-format-tests.mjs';
import { answerOf, tryModel } from './support/demo-trial-tests.mjs';
import { lowContrast, nameless, overflowing } from './support/readable.mjs';

let setting;
const opened = [];

beforeAll(async () => {
  setting = await startDemo();
}, 600_000);

afterEach(async () => {
  const problems = opened.flatMap((demo) => demo.problems);
  for (const demo of opened.splice(0)) await demo.close();
  expect(problems).toEqual([]);
});

afterAll(() => setting?.close());

async function open(site, settings) {
  const demo = await setting.open(site, settings);
  opened.push(demo);
  return demo;
}

/** Everything that can be told of a page without a screen reader or eyes. */
async function expectReadable({ page }) {
  await expect(page.evaluate(nameless)).resolves.toEqual([]);
  await expect(page.evaluate(lowContrast)).resolves.toEqual([]);
  await expect(page.evaluate(overflowing)).resolves.toEqual([]);
}

describe.each([
  ['light', { colorScheme: 'light' }],
  ['dark', { colorScheme: 'dark' }],
  ['phone', { colorScheme: 'light', viewport: { width: 360, height: 740 } }],
  ['phone-dark', { colorScheme: 'dark', viewport: { width: 360, height: 740 }, reducedMotion: 'reduce' }],
])('the page, %s', (look, settings) => {
  test('can be read and used in every state', async () => {
    const demo = await open('isolated', settings);
    const { page } = demo;
    await expectReadable(demo);
    await demo.shoot(`${look}-welcome`);
    await page.getByRole('button', { name: 'A language model' }).click();
    await demo.planned();
    await expectReadable(demo);
    await demo.shoot(`${look}-planned`);
    await demo.choose('target', 'storage');
    await demo.quantize();
    await page.waitForFunction(() => document.querySelector('[role=progressbar], [data-testid=finished-figures]'));
    await demo.shoot(`${look}-running`);
    await demo.finished();
    await page.locator('.inspector-plots canvas').nth(2).waitFor();
    await tryModel(demo);
    await expectReadable(demo);
    await demo.shoot(`${look}-finished`);
  });

  test('can be read and used with models for other programs', async () => {
    const demo = await open('isolated', settings);
    await demo.drop(kGraph);
    await demo.planned();
    await expectReadable(demo);
    await demo.shoot(`${look}-graph`);
    await chooseFolder(demo);
    await demo.planned();
    await expectReadable(demo);
    await demo.shoot(`${look}-folder`);
  });
});

test('understands the sample: errors, layers, sizes, report', async () => {
  const demo = await open();
  const { page } = demo;
  await page.getByRole('button', { name: 'An image model' }).click();
  await demo.planned();
  const planned = await page.locator('[data-testid=planned-size]').textContent();
  const line = await page.locator('.plan-line').textContent();
  expect(line).toBe('Q4_K_M in a GGUF file, architecture sd3, opens in ComfyUI-GGUF and stable-diffusion.cpp');
  await demo.choose('target', 'memory');
  await demo.quantize();
  await demo.finished();
  const { name, bytes } = await demo.download('Report (JSON)');
  expect(name).toBe('diffusion-sample-Q4_K_M.gguf.report.json');
  const report = JSON.parse(bytes);
  expect(`${(report.totals.fileBytes / 1e6).toFixed(1)} MB`).toBe(planned);
  const worst = report.tensors
    .filter(({ relativeRmse }) => relativeRmse !== null)
    .sort((a, b) => b.relativeRmse - a.relativeRmse)
    .map((tensor) => tensor.name);
  await expect(page.locator('.worst .layer-name').allTextContents()).resolves.toEqual(worst.slice(0, 5));
  await page.locator('.inspector-plots canvas').nth(2).waitFor();
  await expect(page.locator('select[name=layer]').inputValue()).resolves.toBe(worst[0]);
  await page.locator('.worst button').nth(1).press('Enter');
  await page.waitForFunction((wanted) => document.querySelector('select[name=layer]').value === wanted, worst[1]);
  await page.getByRole('img', { name: `Histogram of the values of ${worst[1]}, before and after.` }).waitFor();
  await expect(drawn(page)).resolves.toBe(5);
});

/** Waits until every plot has more than one colour on it; the number of plots. */
const drawn = async (page) => {
  const handle = await page.waitForFunction(() => {
    const charts = [...document.querySelectorAll('.chart')];
    const filled = charts.filter((chart) => {
      // Plots may lie on several canvases, which shall not be slowed down by being read.
      const copy = document.createElement('canvas');
      Object.assign(copy, { width: 200, height: 100 });
      const context = copy.getContext('2d', { willReadFrequently: true });
      for (const canvas of chart.querySelectorAll('canvas')) context.drawImage(canvas, 0, 0, 200, 100);
      return new Set(new Uint32Array(context.getImageData(0, 0, 200, 100).data.buffer)).size > 2;
    });
    return charts.length > 0 && filled.length === charts.length && charts.length;
  });
  return handle.jsonValue();
};

test('keeps the theme that was chosen', async () => {
  const demo = await open('isolated', { colorScheme: 'light' });
  const background = () => demo.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await background();
  await demo.page.getByRole('button', { name: 'Use the dark theme' }).click();
  const dark = await background();
  expect(dark).not.toBe(light);
  await demo.page.reload();
  await demo.page.locator('.engine-details').waitFor();
  await expect(background()).resolves.toBe(dark);
});

test('is used with the keyboard alone', async () => {
  const demo = await open();
  const { page } = demo;
  const focused = () => page.evaluate(() => document.activeElement.textContent.trim());
  await page.keyboard.press('Tab');
  await expect(focused()).resolves.toBe('Skip to the model');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  await expect(focused()).resolves.toBe('Choose files');
  await page.keyboard.press('Tab');
  await expect(focused()).resolves.toBe('Choose a folder');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await demo.planned();
  await demo.choose('target', 'memory');
  await page.getByRole('button', { name: 'Quantize' }).focus();
  await page.keyboard.press('Enter');
  await demo.finished();
  await expect(page.getByRole('status').textContent()).resolves.toMatch(/^Done in/);
  await page.getByRole('button', { name: 'Try it' }).focus();
  await page.keyboard.press('Enter');
  await demo.until('the prompt', () => document.activeElement.name === 'prompt');
  await page.keyboard.type(' reads');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await expect(answerOf(demo)).resolves.toMatch(/^The model reads a (?:word|guess|few|little|dot|program)/);
  await expect(page.locator('p[role=status]').last().textContent()).resolves.toBe('The model has answered.');
  await page.getByRole('button', { name: 'Unload' }).focus();
  await page.keyboard.press('Enter');
  await expect(focused()).resolves.toBe('Try it');
});

test('works without its server after the first visit, and llama.cpp after the first try', async () => {
  const server = await serveDemo(setting.root);
  let demo;
  try {
    demo = await setting.openAt(server.url);
    opened.push(demo);
    await demo.page.waitForFunction(() => navigator.serviceWorker.controller?.state === 'activated');
    await makeSample(demo);
    await tryModel(demo);
  } finally {
    await server.close();
  }
  const { page } = demo;
  await page.reload();
  await page.locator('.engine-details').waitFor();
  await expect(page.evaluate(() => crossOriginIsolated)).resolves.toBe(true);
  await makeSample(demo);
  await page.locator('.inspector-plots canvas').nth(2).waitFor();
  await expect(tryModel(demo)).resolves.toMatch(/^The model \w+ \w+/);
});

test.each([
  ['script', /\/assets\/llama-/],
  ['program', /\/assets\/wllama-/],
])('says that llama.cpp cannot be loaded, where its %s is missing', async (_what, address) => {
  // A service worker would load it by itself, where routes do not reach.
  const demo = await setting.open('isolated', { serviceWorkers: 'block' });
  try {
    await demo.page.route(address, (route) => route.fulfill({ status: 404 }));
    await makeSample(demo);
    await demo.click('Try it');
    await expect(demo.appears('#try [role=alert]')).resolves.toMatch(
      /llama\.cpp itself cannot be loaded from the site/,
    );
  } finally {
    await demo.close();
  }
});

async function makeSample(demo) {
  await demo.click('A language model');
  await demo.choose('target', 'memory');
  await demo.quantize();
  await demo.finished();
}

test('obeys a policy that allows nothing but its own files and WebAssembly', async () => {
  const demo = await open('bare');
  const policy = await demo.page.locator('meta[http-equiv="Content-Security-Policy"]').getAttribute('content');
  expect(policy).toMatch(/^default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:;/);
  expect(policy).not.toMatch(/unsafe-(?:inline|eval)(?<!wasm-unsafe-eval)/);
});
