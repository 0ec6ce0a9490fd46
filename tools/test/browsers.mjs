import { faultOfBrowser, runPlaceTests } from './places.mjs';
import { failure } from './suite.mjs';

/**
 * The tests in tests/browser whose file's name begins with `name`.
 *
 * @param {'chromium' | 'firefox' | 'webkit'} browser what they run in
 */
export async function runBrowserTests(name, browser, filter) {
  const fault = await faultOfBrowser(browser);
  return fault === null ? runPlaceTests(name, ['tests/browser'], `tests/browser/${name}`, filter) : failure(fault);
}
