/** The web demo, built, served and opened in a browser, with an eye on everything that a page should not do. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildDemo } from '../../../tools/demo.mjs';
import { serveDemo } from '../../../tools/demo/server.mjs';
import { inProject } from '../../../tools/lib/paths.mjs';
import { makeSampleModel } from '../../../tools/make-sample-model.mjs';
import { chromiumPages, until } from './driven-pages.mjs';

const kScreenshots = inProject('build/screenshots');
/** Firefox gives a service worker that does not become active a minute. */
const kSettleLimit = 20_000;

/**
 * Builds the demo, serves it with and without headers, and starts a browser; everything ends with `close`.
 *
 * @param {() => Promise<import('./driven-pages.mjs').DrivenBrowser>} [startBrowser] default: Chromium
 */
export async function startDemo(startBrowser = chromiumPages) {
  const root = await buildDemo();
  // First what may fail: an open server would keep Jest from ending.
  const browser = await startBrowser();
  const servers = { isolated: await serveDemo(root), bare: await serveDemo(root, { bare: true }) };
  const folder = mkdtempSync(path.join(tmpdir(), 'arrowquant-demo-'));
  return {
    root,
    folder,
    /** Opens the demo; `settings` are those of Playwright's contexts, for Chromium. */
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
  return openPage(await browser.open(settings), url);
}

async function openPage(driven, url) {
  await driven.go(url);
  const demo = new Demo(driven, url);
  await demo.appears('.engine-details');
  // As long as it is not active, whatever the page loads waits.
  await until('an active service worker', () => driven.evaluate(isSettled), kSettleLimit);
  return demo;
}

/** A page with the demo on it, and what people do with it. */
export class Demo {
  #driven;
  #url;

  /** @param {import('./driven-pages.mjs').DrivenPage} driven */
  constructor(driven, url) {
    this.#driven = driven;
    this.#url = url;
  }

  /** Playwright's page, in Chromium. */
  get page() {
    return this.#driven.native;
  }

  /** In Chromium: what a page without fault has none of, as it happens. */
  get problems() {
    return this.#driven.problems;
  }

  /** What a page without fault has none of. */
  faults() {
    return this.#driven.faults();
  }

  /** The demo once more, in another tab of the same browser. */
  async openTab() {
    return openPage(await this.#driven.openTab(), this.#url);
  }

  close() {
    return this.#driven.close();
  }

  /** Runs a function in the page, with one argument. */
  evaluate(run, argument) {
    return this.#driven.evaluate(run, argument);
  }

  /** Waits until a function that runs in the page returns something, and returns it. */
  until(what, run, argument) {
    return until(what, () => this.#driven.evaluate(run, argument));
  }

  /** The text of what `selector` finds, once it is there. */
  appears(selector) {
    return this.until(selector, (wanted) => document.querySelector(wanted)?.textContent, selector);
  }

  /** The texts of all that `selector` finds now. */
  texts(selector) {
    return this.evaluate((wanted) => [...document.querySelectorAll(wanted)].map((one) => one.textContent), selector);
  }

  /** Drops the files at these paths on the page, as a real DataTransfer of real Files. */
  async drop(...files) {
    const input = await this.#driven.element(() => {
      const element = document.createElement('input');
      Object.assign(element, { type: 'file', multiple: true, id: 'files-to-drop' });
      document.body.append(element);
      return element;
    });
    await input.setFiles(files);
    await this.evaluate(() => {
      const element = document.querySelector('#files-to-drop');
      const dataTransfer = new DataTransfer();
      for (const file of element.files) dataTransfer.items.add(file);
      element.remove();
      for (const type of ['dragenter', 'dragover', 'drop']) {
        document.body.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
      }
    });
  }

  async choose(name, value) {
    await this.appears(`select[name=${name}]`);
    await this.#driven.select(name, value);
  }

  /** Presses the button whose name begins so, or fits the pattern, once it can be pressed. */
  click(name) {
    return this.#act(buttonNamed, name, (button) => button.click());
  }

  /** Presses the radio button, or the box, whose name begins so. */
  press(name) {
    return this.#act(choiceNamed, name, (choice) => choice.click());
  }

  /** Types into the field whose name begins so. */
  fill(name, text) {
    return this.#act(fieldNamed, name, (field) => field.fill(text));
  }

  /** Waits for what `find` finds in the page by the pattern of its name, and does something with it. */
  async #act(find, name, act) {
    const pattern = typeof name === 'string' ? `^${name.replace(/[()+.*?]/g, '\\$&')}` : name.source;
    await act(await until(`${find.name} ${pattern}`, () => this.#driven.element(find, pattern)));
  }

  /** Waits until the plan is one for the settings on the page. */
  planned() {
    return this.appears('.plan[aria-busy=false] [data-testid=planned-size]');
  }

  async quantize() {
    await this.planned();
    await this.click('Quantize');
  }

  finished() {
    return this.appears('[data-testid=finished-figures]');
  }

  /** The bytes and the name of what a press on the button with this name downloads, once there are `size` bytes of it. */
  download(name, size = 1) {
    return this.#driven.download(() => this.click(name), size);
  }

  /** A picture for people to look at; in Chromium. */
  async shoot(name) {
    mkdirSync(kScreenshots, { recursive: true });
    await this.page.screenshot({ path: path.join(kScreenshots, `demo-${name}.png`), fullPage: true });
  }
}

// In the page: what has a name that fits a pattern, or null.

function buttonNamed(pattern) {
  const nameOf = (one) => one.getAttribute('aria-label') ?? one.textContent;
  const named = [...document.querySelectorAll('button')].find((one) => new RegExp(pattern).test(nameOf(one)));
  return named === undefined || named.disabled ? null : named;
}

function choiceNamed(pattern) {
  const labels = [...document.querySelectorAll('label')].filter((one) => /^(radio|checkbox)$/.test(one.control?.type));
  return labels.find((one) => new RegExp(pattern).test(one.textContent)) ?? null;
}

function fieldNamed(pattern) {
  const nameOf = (one) => one.getAttribute('aria-label') ?? one.labels[0]?.textContent ?? '';
  const fields = [...document.querySelectorAll('input, textarea')];
  return fields.find((one) => new RegExp(pattern).test(nameOf(one))) ?? null;
}

/** In the page: whether its service worker, where it has one, is active. */
async function isSettled() {
  const registration = await navigator.serviceWorker?.getRegistration().catch(() => undefined);
  // On a busy machine WebKitGTK may go on saying of the worker that is active already that it is being installed.
  return registration === undefined || /^(activated|installing)$/.test(registration.active?.state);
}
