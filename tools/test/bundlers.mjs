import { runPlaceTests } from './places.mjs';

/** An application built with every bundler, and one without, in Chromium. */
export function runBundlerTests(filter) {
  return runPlaceTests('bundlers', ['tests/browser', 'tests/bundlers'], 'tests/bundlers/', filter);
}
