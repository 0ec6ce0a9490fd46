import { existsSync, writeFileSync } from 'node:fs';
import { within } from './time-limit.mjs';

/** A browser on a machine that does other things as well needs longer than one would think. */
const kStartLimit = 60_000;
export const kCallLimit = 30_000;

/** What a browser is, to who installs it. */
const kPrograms = {
  chromium: { program: '/usr/bin/chromium', packages: 'chromium fonts-dejavu-core' },
  firefox: { program: '/usr/bin/firefox-esr', packages: 'firefox-esr fonts-dejavu-core' },
  webkit: { program: '/usr/bin/WebKitWebDriver', packages: 'webkit2gtk-driver xvfb fonts-dejavu-core' },
};

/** Where Debian has the program. */
export function programOf(name) {
  const { program, packages } = kPrograms[name];
  if (!existsSync(program)) throw new Error(`There is no ${program}; install it with: apt-get install ${packages}`);
  return program;
}

/** Starts a browser; one that does not come up is told as what it is. */
export async function started(name, launch) {
  const { program, packages } = kPrograms[name];
  try {
    programOf(name);
    return await within(kStartLimit, 'it was not ready', launch());
  } catch (error) {
    const sentence = `${program} did not start: ${error.message.split('\n')[0]}`;
    // Whoever runs the suite ends it then: every single test would say the same, some after a while.
    const { ARROWQUANT_START_FAULT: file } = process.env;
    if (file !== undefined) writeFileSync(file, sentence);
    throw new Error(`${sentence}\n${error.message}\nIs it complete? apt-get install ${packages}`, { cause: error });
  }
}

const kQuiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync'];

/** Playwright's Browser. Close it in `afterAll`. */
export async function launchChromium({ args = [], ...options } = {}) {
  const { chromium } = await import('playwright-core');
  const launch = () =>
    chromium.launch({
      executablePath: kPrograms.chromium.program,
      // As root, which containers often are, its sandbox refuses to work.
      args: ['--no-sandbox', ...kQuiet, ...args],
      timeout: kStartLimit,
      ...options,
    });
  return started('chromium', launch);
}

/** Playwright's BrowserContext with an extension in it. `profile` is an empty folder. Close it in `afterAll`. */
export async function launchChromiumWithExtension(folder, profile) {
  const { chromium } = await import('playwright-core');
  const launch = () =>
    chromium.launchPersistentContext(profile, {
      executablePath: kPrograms.chromium.program,
      args: ['--no-sandbox', ...kQuiet, `--disable-extensions-except=${folder}`, `--load-extension=${folder}`],
      timeout: kStartLimit,
    });
  return started('chromium', launch);
}

/** Puppeteer's Browser, over WebDriver BiDi. Close it in `afterAll`. */
export async function launchFirefox(options = {}) {
  const { default: puppeteer } = await import('puppeteer-core');
  const launch = () =>
    puppeteer.launch({
      browser: 'firefox',
      executablePath: kPrograms.firefox.program,
      headless: true,
      timeout: kStartLimit,
      protocolTimeout: kCallLimit,
      ...options,
    });
  return started('firefox', launch);
}
