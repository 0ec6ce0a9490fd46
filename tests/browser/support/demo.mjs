/** The web demo, built, served and opened in Chromium, with an eye on everything that a page should not do. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildDemo } from '../../../tools/demo.mjs';
import { serveDemo } from '../../../tools/demo/server.mjs';
import { inProject } from '../../../tools/lib/paths.mjs';
import { makeSampleModel } from '../../../tools/make-sample-model.mjs';
import { launchChromium } from './browsers.mjs';

const kScreenshots = inProject('build/screenshots');
/** A job of the demo on a machine that does other things as well. */
const kJobLimit = 60_000;

/** Builds the demo, serves it with and without headers, and starts a browser; everything ends with `close`. */
export async function startDemo() {
  const root = await buildDemo();
  // First what may fail: an open server would keep Jest from ending.
  const browser = await launchChromium();
  const servers = { isolated: await serveDemo(root), bare: await serveDemo(root, { bare: true }) };
  const folder = mkdtempSync(path.join(tmpdir(), 'arrowquant-demo-'));
  return {
    root,
    folder,
    /** Opens the demo; `settings` are those of Playwright's contexts. */
    open: (site = 'isolated', settings = {}) => openDemo(browser, servers[site].url, settings),
    /** Opens the demo of a server of the test's own. */
    openAt: (url, settings = {}) => openDemo(browser, url, settings),
    async close() {
      await browser.close();
      for (const server of Object.values(servers)) await server.close();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Makes a little model with names that fit into a GGUF: its readers take no longer ones. */
export function makeLittleModel(file) {
  makeSampleModel(file, { megabytes: 6 });
  const bytes = readFileSync(file);
  const end = 8 + Number(bytes.readBigUInt64LE(0));
  const header = bytes
    .toString('latin1', 8, end)
    .replaceAll('text_encoder.text_model.', 'te.')
    .replaceAll('.transformer_blocks.', '.tb.');
  bytes.write(header.padEnd(end - 8), 8, 'latin1');
  writeFileSync(file, bytes);
}

async function openDemo(browser, url, settings) {
  const context = await browser.newContext({ viewport: { width: 1360, height: 900 }, ...settings });
  return openTab(context, url);
}

async function openTab(context, url, problems = []) {
  const page = await context.newPage();
  page.setDefaultTimeout(kJobLimit);
  watch(page, url, problems);
  await page.goto(url);
  await page.locator('.engine-details').waitFor();
  return new Demo(page, context, problems);
}

/** Collects what a page without fault has none of. */
function watch(page, url, problems) {
  page.on('pageerror', (error) => problems.push(`uncaught: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') problems.push(`console: ${message.text()}`);
  });
  page.on('requestfailed', (request) => problems.push(`failed: ${request.url()}`));
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !/^(?:blob|data):/.test(request.url())) {
      problems.push(`request to elsewhere: ${request.url()}`);
    }
  });
}

/** A page with the demo on it, and what people do with it. */
export class Demo {
  constructor(page, context, problems) {
    this.page = page;
    this.context = context;
    this.problems = problems;
  }

  /** The demo once more, in another tab of the same browser. */
  openTab() {
    return openTab(this.context, this.page.url(), this.problems);
  }

  close() {
    return this.context.close();
  }

  /** Drops the files at these paths on the page, as a real DataTransfer of real Files. */
  async drop(...files) {
    const input = await this.page.evaluateHandle(() => {
      const element = document.createElement('input');
      Object.assign(element, { type: 'file', multiple: true });
      return element;
    });
    await input.setInputFiles(files);
    await input.evaluate((element) => {
      const dataTransfer = new DataTransfer();
      for (const file of element.files) dataTransfer.items.add(file);
      for (const type of ['dragenter', 'dragover', 'drop']) {
        document.body.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
      }
    });
  }

  choose(name, value) {
    return this.page.locator(`select[name=${name}]`).selectOption(value);
  }

  /** Presses the radio button called `text`. */
  press(text) {
    return this.page.getByRole('radio', { name: text, exact: true }).check();
  }

  /** Waits until the plan is one for the settings on the page. */
  planned() {
    return this.page.locator('.plan[aria-busy=false] [data-testid=planned-size]').waitFor();
  }

  async quantize() {
    await this.planned();
    await this.page.getByRole('button', { name: /^Quantize/ }).click();
  }

  finished() {
    return this.page.locator('[data-testid=finished-figures]').waitFor();
  }

  /** The bytes and the name of what a press on `button` downloads. */
  async download(button) {
    const [download] = await Promise.all([
      this.page.waitForEvent('download'),
      this.page.getByRole('button', { name: button }).first().click(),
    ]);
    return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
  }

  /** A picture for people to look at. */
  async shoot(name) {
    mkdirSync(kScreenshots, { recursive: true });
    await this.page.screenshot({ path: path.join(kScreenshots, `demo-${name}.png`), fullPage: true });
  }
}
