import { faultOfBrowser, runPlaceTests } from './places.mjs';
import { failure } from './suite.mjs';

/** An application built with every bundler, and one without, in Chromium. */
export async function runBundlerTests(filter) {
  const fault = await faultOfBrowser('chromium');
  if (fault !== null) return failure(fault);
  return runPlaceTests('bundlers', ['tests/browser', 'tests/bundlers'], 'tests/bundlers/', filter);
}
