import { runPlaceTests } from './places.mjs';

/** The smoke script in every runtime. */
export function runRuntimeTests(filter) {
  return runPlaceTests('runtimes', ['tests/runtimes'], 'tests/runtimes/', filter);
}
