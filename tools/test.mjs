#!/usr/bin/env node
/**
 * Runs every suite and ends with one line, `N passed, N failed`, over all of them. Sets up and builds first.
 *
 *   npm test                                   everything
 *   npm test -- --suite=jest                   one suite (may be given several times)
 *   npm test -- --suite=native-asan --filter='Affine*'   some of its tests (GoogleTest's filter, or Jest's path pattern;
 *                                              for tests in other places a pattern of test names; checks has none)
 *   npm test -- --limit=60                     minutes that a suite may take before it is ended and has failed
 */
import { parseArgs } from 'node:util';
import { inProject } from './lib/paths.mjs';
import { SetupError, runMain } from './lib/run.mjs';
import { setUp, setUpMachine } from './setup.mjs';
import { endChildrenOnSignals, runSuites } from './test/runner.mjs';
import { kSuites } from './test/suites.mjs';

/** A suite builds first, and that may be on one core. */
const kLimitMinutes = 40;

runMain(async () => {
  const options = { suite: { type: 'string', multiple: true }, filter: { type: 'string' }, limit: { type: 'string' } };
  const { suite: wanted = Object.keys(kSuites), filter, limit = String(kLimitMinutes) } = parseArgs({ options }).values;
  const unknown = wanted.filter((name) => !(name in kSuites));
  if (unknown.length > 0) {
    throw new SetupError(`There is no suite ${unknown.join(', ')}; there are: ${Object.keys(kSuites).join(', ')}.`);
  }
  if (filter !== undefined && wanted.every((name) => kSuites[name].isWhole)) {
    throw new SetupError(`${wanted[0]} runs as a whole; leave --filter out.`);
  }
  if (!/^\d{1,4}$/.test(limit) || Number(limit) === 0) {
    throw new SetupError(`--limit=${limit} is no number of minutes; leave it out for ${kLimitMinutes}.`);
  }
  const needs = wanted.flatMap((name) => kSuites[name].needs);
  await setUpMachine(needs);
  if (needs.includes('python')) await setUp();
  endChildrenOnSignals();
  const script = inProject('tools/test/run-suite.mjs');
  const commandOf = (name) => [script, name, ...(filter === undefined ? [] : [filter])];
  const mayShare = (name) => kSuites[name].mayShare === true;
  if ((await runSuites(wanted, { commandOf, mayShare, limitSeconds: Number(limit) * 60 })) > 0) process.exitCode = 1;
});
