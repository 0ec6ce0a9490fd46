import { runPlaceTests } from './places.mjs';

/** Applications built with every bundler, and some without, in Chromium and where else they run. */
export function runBundlerTests(filter) {
  // Two at a time: bundlers wait a lot, the browser waits for servers, and neither has a test of how long it takes.
  const flags = ['--maxWorkers=2'];
  return runPlaceTests('bundlers', ['tests/browser', 'tests/bundlers'], 'tests/bundlers/', filter, flags);
}
