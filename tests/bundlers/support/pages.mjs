/* global document, MutationObserver */
import { afterAll, beforeAll } from '@jest/globals';
import { launchChromium, launchFirefox } from '../../browser/support/browsers.mjs';
import { within } from '../../browser/support/time-limit.mjs';

const kPageLimit = 30_000;

/** By title: what starts a browser with pages that these functions can use. */
export const kBrowsers = [
  ['Chromium', launchChromium],
  ['Firefox', launchFirefox],
];

/** A browser for the tests of a `describe`, which has it once they run. */
export function withBrowser(launch) {
  const running = {};
  beforeAll(async () => {
    running.browser = await launch();
  }, 60_000);
  afterAll(() => running.browser?.close());
  return running;
}

/** What the application of a page says, and all that stands on its console, with what the browser itself complains of. */
export async function visit(browser, url) {
  const { page, lines } = await openPage(browser, url);
  try {
    const said = within(kPageLimit, 'the page has said nothing', page.evaluate(textOfOutput));
    return { outcome: JSON.parse(await said), lines };
  } catch (error) {
    throw new Error(`${error.message}\nThe console of ${url}:\n${lines.join('\n')}`, { cause: error });
  } finally {
    await page.close();
  }
}

async function openPage(browser, url) {
  const page = await browser.newPage();
  const lines = [];
  page.on('console', (message) => lines.push(message.text()));
  page.on('pageerror', (error) => lines.push(String(error)));
  await page.goto(url);
  return { page, lines };
}

/** Runs in the page. */
function textOfOutput() {
  const text = () => document.querySelector('output')?.textContent ?? '';
  return new Promise((resolve) => {
    const look = () => text() !== '' && resolve(text());
    new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true });
    look();
  });
}

/**
 * Goes to `url`, imports the package from `module`, and quantizes with it.
 *
 * @param {object} options of `create`. `{ $blobOf: url }`, also as `module`, is the address of a Blob with what is there;
 *   `{ $bytesOf: url, kind }` are the bytes of it, as an ArrayBuffer, a Uint8Array or a compiled Module
 */
export async function createIn(browser, url, module, options = {}) {
  const { page, lines } = await openPage(browser, url);
  try {
    return { outcome: await page.evaluate(quantizeInPage, { module, options }), lines };
  } finally {
    await page.close();
  }
}

/** Runs in the page. */
async function quantizeInPage({ module, options }) {
  const blobOf = async (url) => {
    const response = await fetch(url);
    const type = response.headers.get('content-type');
    return URL.createObjectURL(new Blob([await response.arrayBuffer()], { type }));
  };
  const bytesOf = async (url, kind) => {
    const bytes = await (await fetch(url)).arrayBuffer();
    if (kind === 'Module') return WebAssembly.compile(bytes);
    return kind === 'Uint8Array' ? new Uint8Array(bytes) : bytes;
  };
  const made = (value) => {
    if (value?.$blobOf !== undefined) return blobOf(value.$blobOf);
    return value?.$bytesOf === undefined ? value : bytesOf(value.$bytesOf, value.kind);
  };
  const entries = Object.entries(options).map(async ([name, value]) => [name, await made(value)]);
  const { ArrowQuant } = await import(await made(module));
  try {
    const quantizer = await ArrowQuant.create(Object.fromEntries(await Promise.all(entries)));
    const { backend, fallback } = quantizer;
    const result = await quantizer.quantizeBatch({ layer: new Float32Array(300_000).fill(0.5) }, 4);
    await quantizer.dispose();
    return { backend, fallback, bytes: result.get('layer').quantizedData.length };
  } catch ({ code, message }) {
    return { code, message };
  }
}
