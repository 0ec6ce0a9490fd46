import { runPlaceTests } from './places.mjs';

/** The tests in tests/browser whose file's name begins with `name`. */
export function runBrowserTests(name, filter) {
  return runPlaceTests(name, ['tests/browser'], `tests/browser/${name}`, filter);
}
