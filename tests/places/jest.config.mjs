import { fileURLToPath } from 'node:url';

/** For the tests of tests/browser, tests/bundlers, tests/clusters, tests/consumers, tests/extension, tests/runtimes and tests/types. */
export default {
  rootDir: fileURLToPath(new URL('..', import.meta.url)),
  testEnvironment: 'node',
  testMatch: ['<rootDir>/{browser,bundlers,clusters,consumers,extension,runtimes,types}/*.test.mjs'],
  transform: {},
  // One at a time: browsers, runtimes and bundlers use all cores themselves.
  maxWorkers: 1,
  testTimeout: 120_000,
};
