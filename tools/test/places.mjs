import { build } from '../build.mjs';
import { buildExtension } from '../build/extension.mjs';
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
 * @param {readonly string[]} [flags] more of Jest's
 */
export async function runPlaceTests(suite, folders, files, filter, flags = []) {
  for (const folder of folders) await ensureNpmPackages(say, folder);
  await build();
  return runTests(suite, files, filter, flags);
}

/** Tests of the package with what tests/extension adds to it. */
export async function runExtensionTests(filter) {
  await buildExtension();
  return runTests('extension', 'tests/extension/', filter);
}

function runTests(suite, files, filter, flags = []) {
  const own = ['--config=tests/places/jest.config.mjs', `--testPathPatterns=/${files}[^/]*$`];
  return runJest([...own, ...(filter ? [`--testNamePattern=${filter}`] : []), ...flags], suite);
}
