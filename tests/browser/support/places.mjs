/** Places to run the cases of pages/cases.mjs in: pages of a browser, and Workers of such pages. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { launchChromium, launchFirefox, programOf } from './browsers.mjs';
import { within } from './time-limit.mjs';
import { answered, launchWebKit } from './webkit.mjs';

const kCaseLimit = 60_000;
const kPage = 'tests/browser/pages/place.html';

let placeCount = 0;

/**
 * Something that opens pages of `server`.
 *
 * @typedef {object} PlaceBrowser
 * @property {(url: string) => Promise<() => Promise<void>>} open resolves to what closes the page
 * @property {() => Promise<void>} close
 */

/**
 * @param {PlaceBrowser} browser
 * @param {{site: string, scope: 'page' | 'worker', package?: string, page?: string, limit?: number}} where `package` is the
 *   address of the package's entry, as the page writes it; `limit` milliseconds are what a case gets
 */
export async function openPlace(browser, server, { site, scope, package: entry, page = kPage, limit = kCaseLimit }) {
  const id = `${site}-${scope}-${++placeCount}`;
  const url = new URL(server.url(site, page));
  const query = { channel: id, scope, ...(entry !== undefined && { package: entry }) };
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  const closePage = await browser.open(url.href);
  const channel = server.channels.channel(id);
  return {
    /** Runs a case; what it throws rejects. */
    run: (name, options) => channel.run({ name, options }, limit),
    close: closePage,
  };
}

/** @returns {Promise<PlaceBrowser>} */
export const chromiumForPlaces = async (options) => openingTabs(await launchChromium(options));

/** @returns {Promise<PlaceBrowser>} */
export const firefoxForPlaces = async () => openingTabs(await launchFirefox());

/** Playwright and Puppeteer agree on this much. */
function openingTabs(browser) {
  return {
    async open(url) {
      const page = await browser.newPage();
      await page.goto(url);
      return () => page.close();
    },
    close: () => browser.close(),
  };
}

/**
 * It has one page, which goes where it is told.
 *
 * @returns {Promise<PlaceBrowser>}
 */
export async function webKitForPlaces(options) {
  const { driver, close } = await launchWebKit(options);
  const go = (url) => answered(`opening ${url}`, driver.get(url));
  return {
    async open(url) {
      await go(url);
      return () => go('about:blank');
    },
    close,
  };
}

/** Prefs without which a fresh profile opens pages of its own and calls home. */
const kQuietFirefox = {
  'browser.aboutwelcome.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.page': 0,
  'browser.tabs.remote.autostart': true,
  'datareporting.policy.dataSubmissionEnabled': false,
  'datareporting.policy.firstRunURL': '',
  'app.normandy.enabled': false,
  'app.update.enabled': false,
  'extensions.update.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'data:,#remote-settings-dummy/v1',
  'toolkit.telemetry.server': '',
};

/** The text of a `user.js` for a fresh profile. */
export const firefoxPrefs = (prefs = {}) =>
  Object.entries({ ...kQuietFirefox, ...prefs })
    .map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});\n`)
    .join('');

/**
 * Firefox as people run it, without automation: under an automation session, Workers that a Worker starts hang now and
 * then, whatever they run. It has one page, which goes where it is told.
 *
 * @returns {Promise<PlaceBrowser>}
 */
export async function plainFirefoxForPlaces(server) {
  const program = programOf('firefox');
  const profile = mkdtempSync(path.join(tmpdir(), 'arrowquant-firefox-'));
  writeFileSync(path.join(profile, 'user.js'), firefoxPrefs());
  const desk = `${server.url('plain', kPage)}?channel=desk`;
  const child = spawn(program, ['--headless', '--no-remote', '--profile', profile, desk], { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.on('close', resolve).on('error', resolve));
  const go = (channel, open) => server.channels.channel(channel).run({ open }, kCaseLimit);
  return {
    async open(url) {
      await go('desk', url);
      return () => go(new URL(url).searchParams.get('channel'), desk);
    },
    async close() {
      child.kill();
      await within(10_000, 'Firefox did not end', ended).catch(() => child.kill('SIGKILL'));
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
