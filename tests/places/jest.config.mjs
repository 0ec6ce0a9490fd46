import { fileURLToPath } from 'node:url';

/** For the tests of tests/browser, tests/extension, tests/runtimes and tests/bundlers. */
export default {
  rootDir: fileURLToPath(new URL('..', import.meta.url)),
  testEnvironment: 'node',
  testMatch: ['<rootDir>/{browser,extension,runtimes,bundlers}/*.test.mjs'],
  transform: {},
  // One at a time: browsers, runtimes and bundlers use all cores themselves.
  maxWorkers: 1,
  testTimeout: 120_000,
};
