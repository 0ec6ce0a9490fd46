import { build } from '../build.mjs';
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
