/** Starts and ends a browser, or says why it cannot: node tests/browser/support/try-browser.mjs NAME */
import { launchChromium, launchFirefox } from './browsers.mjs';
import { launchWebKit } from './webkit.mjs';

const kLaunchers = { chromium: launchChromium, firefox: launchFirefox, webkit: launchWebKit };

try {
  const browser = await kLaunchers[process.argv[2]]();
  await browser.close();
} catch (error) {
  console.error(error.message);
  // What has not started may still be waited for.
  process.exit(1);
}
