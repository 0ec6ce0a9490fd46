import { build } from '../build.mjs';
import { inProject } from '../lib/paths.mjs';
import { run } from '../lib/run.mjs';
import { ensureNpmPackages } from '../setup/npm.mjs';
import { runJest } from './jest.mjs';

const say = (text) => console.log(`[set-up] ${text}`);

/**
 * Tests of the built package where other programs run it.
 *
 * @param {string} suite name of the report
 * @param {readonly string[]} folders whose npm packages the tests need
 * @param {string} files how the paths of the test files begin
 * @param {string} [filter] pattern of test names
 */
export async function runPlaceTests(suite, folders, files, filter) {
  for (const folder of folders) await ensureNpmPackages(say, folder);
  await build();
  const flags = ['--config=tests/places/jest.config.mjs', `--testPathPatterns=/${files}[^/]*$`];
  return runJest([...flags, ...(filter ? [`--testNamePattern=${filter}`] : [])], suite);
}

/**
 * Starts a browser once: where it does not, every single test would say so after a while.
 *
 * @param {'chromium' | 'firefox' | 'webkit'} name
 * @returns {Promise<string | null>} what is wrong, or null
 */
export async function faultOfBrowser(name) {
  await ensureNpmPackages(say, 'tests/browser');
  const script = inProject('tests/browser/support/try-browser.mjs');
  const { code, stderr } = await run(process.execPath, [script, name]);
  if (code === 0) return null;
  console.log(stderr.trim());
  return stderr.trim().split('\n')[0];
}
