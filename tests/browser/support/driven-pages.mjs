/** Pages of three browsers, with the few verbs that the tests of the demo need: whatever drives them, they are the same. */
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { launchChromium } from './browsers.mjs';
import { launchMarionette } from './marionette.mjs';
import { answered, launchWebKit } from './webkit.mjs';

/** A job of the demo on a machine that does other things as well. */
export const kJobLimit = 60_000;
const kElement = 'element-6066-11e4-a52e-4f735466cecf';

/**
 * Functions run in the page, with one argument, and may return promises.
 *
 * @typedef {object} DrivenPage
 * @property {(run: Function, argument?: unknown) => Promise<unknown>} evaluate
 * @property {(find: Function, argument?: unknown) => Promise<DrivenElement | null>} element what `find` returns
 * @property {(url: string) => Promise<void>} go
 * @property {() => Promise<DrivenPage>} openTab another page of the same browser; only where `hasTabs`
 * @property {(name: string, value: string) => Promise<void>} select an option of a field
 * @property {() => Promise<string[]>} faults what a page without fault has none of
 * @property {(act: () => Promise<void>, size: number) => Promise<{name: string, bytes: Buffer}>} download what `act` has it
 *   download, once there are `size` bytes of it
 * @property {() => Promise<void>} close
 * @property {import('playwright-core').Page} [native] in Chromium
 *
 * @typedef {object} DrivenElement
 * @property {() => Promise<void>} click
 * @property {(text: string) => Promise<void>} fill
 * @property {(files: string[]) => Promise<void>} setFiles
 *
 * @typedef {object} DrivenBrowser
 * @property {(settings?: object) => Promise<DrivenPage>} open
 * @property {() => Promise<void>} close
 */

/** What `look` resolves to once it is something, and not false; `what` is missing after a minute. */
export async function until(what, look, limit = kJobLimit) {
  const end = performance.now() + limit;
  for (;;) {
    const seen = await look();
    if (seen !== null && seen !== undefined && seen !== false) return seen;
    if (performance.now() > end) throw new Error(`${what} did not come within ${limit / 1000} s`);
    await wait(20);
  }
}

/** @returns {Promise<DrivenBrowser>} */
export async function chromiumPages() {
  const browser = await launchChromium();
  return {
    async open(settings = {}) {
      const context = await browser.newContext({ viewport: { width: 1360, height: 900 }, ...settings });
      return chromiumPage(await context.newPage(), () => context.close(), []);
    },
    close: () => browser.close(),
  };
}

function chromiumPage(page, close, problems) {
  page.setDefaultTimeout(kJobLimit);
  const home = watchChromium(page, problems);
  return {
    native: page,
    problems,
    evaluate: (run, argument) => page.evaluate(run, argument),
    async element(find, argument) {
      const element = (await page.evaluateHandle(find, argument)).asElement();
      return element === null
        ? null
        : {
            click: () => element.click(),
            fill: (text) => element.fill(text),
            setFiles: (files) => element.setInputFiles(files),
          };
    },
    select: (name, value) => page.locator(`select[name=${name}]`).selectOption(value),
    async go(url) {
      home.url = url;
      await page.goto(url);
    },
    openTab: async () => {
      const other = await page.context().newPage();
      return chromiumPage(other, () => other.close(), problems);
    },
    faults: () => Promise.resolve(problems),
    async download(act) {
      const [download] = await Promise.all([page.waitForEvent('download'), act()]);
      return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
    },
    close,
  };
}

/** Collects what a page without fault has none of; the page's own site is where it was told to go last. */
function watchChromium(page, problems) {
  const home = { url: '' };
  page.on('pageerror', (error) => problems.push(`uncaught: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') problems.push(`console: ${message.text()}`);
  });
  page.on('requestfailed', (request) => problems.push(`failed: ${request.url()}`));
  page.on('request', (request) => {
    if (!request.url().startsWith(home.url) && !/^(?:blob|data):/.test(request.url())) {
      problems.push(`request to elsewhere: ${request.url()}`);
    }
  });
  return home;
}

/** @returns {Promise<DrivenBrowser>} */
export async function firefoxPages() {
  const downloads = newFolder();
  const { send, close } = await launchMarionette(downloads);
  // Commands need a tab that is open: the one that Firefox has started with stays.
  const home = await send('WebDriver:GetWindowHandle', {});
  let current = home;
  /** Commands go to the tab that was chosen last. */
  const inTab = async (handle, name, parameters) => {
    if (current !== handle) await send('WebDriver:SwitchToWindow', { handle, focus: true });
    current = handle;
    return send(name, parameters);
  };
  const open = async () => {
    const { handle } = await send('WebDriver:NewWindow', { type: 'tab', focus: true });
    const act = (name, parameters = {}) => inTab(handle, name, parameters);
    const elementOf = (id) => ({
      click: () => act('WebDriver:ElementClick', { id }),
      clear: () => act('WebDriver:ElementClear', { id }),
      sendKeys: (text) => act('WebDriver:ElementSendKeys', { id, text }),
    });
    return webDriverPage(downloads, open, {
      go: (url) => act('WebDriver:Navigate', { url }),
      runAsync: (script, args) => act('WebDriver:ExecuteAsyncScript', { script, args }),
      find: async (script, args) => {
        const found = await act('WebDriver:ExecuteScript', { script, args });
        return found === null ? null : elementOf(found[kElement]);
      },
      async close() {
        await act('WebDriver:CloseWindow');
        await inTab(home, 'WebDriver:GetWindowHandle', {});
      },
    });
  };
  return { open, close: () => close().finally(() => removeFolder(downloads)) };
}

/**
 * It has one page, which goes where it is told. A page that hangs takes the driver with it, which then answers nothing any
 * more: after a call that has failed the next page is one of another browser, and only one test fails.
 *
 * @returns {Promise<DrivenBrowser>}
 */
export async function webKitPages(options) {
  const downloads = newFolder();
  const launch = () => launchWebKit({ ...options, downloads });
  let browser = await launch();
  let hasFailed = false;
  const ask = async (call, answer) => {
    try {
      return await answered(call, answer);
    } catch (error) {
      hasFailed = true;
      throw error;
    }
  };
  const open = async () => {
    if (hasFailed) {
      await browser.close().catch(() => undefined);
      browser = await launch();
      hasFailed = false;
    }
    return webDriverPage(downloads, null, commandsOf(browser.driver, ask));
  };
  return { open, close: () => browser.close().finally(() => removeFolder(downloads)) };
}

/** What `webDriverPage` takes, by way of Selenium. */
function commandsOf(driver, ask) {
  const elementOf = (element) => ({
    click: () => ask('a click', element.click()),
    clear: () => ask('the emptying of a field', element.clear()),
    sendKeys: (text) => ask(`the keys ${text}`, element.sendKeys(text)),
  });
  const go = (url) => ask(`opening ${url}`, driver.get(url));
  return {
    go,
    runAsync: (script, args) => ask(script, driver.executeAsyncScript(script, ...args)),
    find: async (script, args) => {
      const found = await ask(script, driver.executeScript(script, ...args));
      return found === null ? null : elementOf(found);
    },
    close: () => go('about:blank'),
  };
}

/** A page by way of WebDriver's commands. Its own errors are kept in an attribute, which every world of scripts sees. */
function webDriverPage(downloads, openTab, { go, runAsync, find, close }) {
  const evaluate = async (run, argument = null) => {
    const script = `const [argument, done] = arguments;
      Promise.resolve().then(() => (${run})(argument)).then((value) => done({ value }), (e) => done({ error: String(e) }));`;
    const { value, error } = await runAsync(script, [argument]);
    if (error !== undefined) throw new Error(`in the page: ${error}`);
    return value;
  };
  return {
    evaluate,
    async element(look, argument = null) {
      // WebKitGTK's driver does not wait for smooth scrolling.
      const script = `const element = (${look})(arguments[0]);
        element?.scrollIntoView({ block: 'center', behavior: 'instant' });
        return element;`;
      const element = await find(script, [argument]);
      if (element === null) return null;
      const { click, clear, sendKeys } = element;
      return {
        click,
        fill: (text) => clear().then(() => sendKeys(text)),
        setFiles: (files) => sendKeys(files.join('\n')),
      };
    },
    select: (name, value) => evaluate(selectOption, [name, value]),
    async go(url) {
      await go(url);
      await evaluate(watchErrors);
    },
    openTab,
    faults: () => evaluate(() => JSON.parse(document.documentElement.dataset.problems ?? '[]')),
    async download(act, size) {
      await act();
      const name = await until(`a file of ${size} bytes`, () => wholeFile(downloads, size));
      const bytes = readFileSync(path.join(downloads, name));
      // The next one of this name shall get this name.
      rmSync(path.join(downloads, name));
      return { name, bytes };
    },
    close,
  };
}

/** In the page: WebKitGTK's driver cannot press options, which it shows in a window of its own. */
function selectOption([name, value]) {
  const field = document.querySelector(`select[name=${name}]`);
  field.value = value;
  if (field.value !== value) throw new Error(`${name} cannot be ${value}`);
  field.dispatchEvent(new Event('change', { bubbles: true }));
}

/** In the page. */
function watchErrors() {
  const root = document.documentElement;
  const note = (text) => {
    root.dataset.problems = JSON.stringify([...JSON.parse(root.dataset.problems ?? '[]'), text]);
  };
  window.addEventListener('error', ({ message }) => note(`uncaught: ${message}`));
  window.addEventListener('unhandledrejection', ({ reason }) => note(`unhandled: ${String(reason)}`));
  document.addEventListener('securitypolicyviolation', ({ blockedURI }) => note(`forbidden: ${blockedURI}`));
}

/** The file that has come; null as long as there is none, or a part of it: WebKitGTK gives it its name at once. */
function wholeFile(folder, size) {
  const files = readdirSync(folder, { withFileTypes: true }).filter((one) => one.isFile());
  if (files.some(({ name }) => name.endsWith('.part'))) return null;
  return files.map(({ name }) => name).find((name) => statSync(path.join(folder, name)).size >= size) ?? null;
}

const newFolder = () => mkdtempSync(path.join(tmpdir(), 'arrowquant-downloads-'));

const removeFolder = (folder) => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
