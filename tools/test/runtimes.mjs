import { runPlaceTests } from './places.mjs';

/** The smoke script in every runtime, and what is special to some: flags, versions, test runners. */
export function runRuntimeTests(filter) {
  return runPlaceTests('runtimes', ['tests/runtimes'], 'tests/runtimes/', filter);
}
