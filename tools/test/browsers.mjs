import { build } from '../build.mjs';
import { ensureNpmPackages } from '../setup/npm.mjs';
import { runJest } from './jest.mjs';

const kFolder = 'tests/browser';

/**
 * The tests in tests/browser whose file's name begins with `name`.
 *
 * @param {string} [filter] pattern of test names
 */
export async function runBrowserTests(name, filter) {
  await ensureNpmPackages((text) => console.log(`[set-up] ${text}`), kFolder);
  await build();
  const flags = [`--config=${kFolder}/jest.config.mjs`, `--testPathPatterns=/${kFolder}/${name}[^/]*$`];
  return runJest([...flags, ...(filter ? [`--testNamePattern=${filter}`] : [])], name);
}
