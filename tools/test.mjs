#!/usr/bin/env node
/**
 * Runs every suite and ends with one line, `N passed, N failed`, over all of them. Sets up and builds first.
 *
 *   npm test                                   everything
 *   npm test -- --suite=jest                   one suite (may be given several times)
 *   npm test -- --suite=native-asan --filter='Affine*'   some of its tests (GoogleTest's filter, or Jest's path pattern;
 *                                              for tests in other places a pattern of test names)
 */
import { parseArgs } from 'node:util';
import { build } from './build.mjs';
import { buildDemo } from './demo.mjs';
import { SetupError, runMain } from './lib/run.mjs';
import { setUp } from './setup.mjs';
import { runBrowserTests } from './test/browsers.mjs';
import { runBundlerTests } from './test/bundlers.mjs';
import { runChecks } from './test/checks.mjs';
import { runNativeTests, runWasmTests } from './test/gtest.mjs';
import { runJest } from './test/jest.mjs';
import { runRuntimeTests } from './test/runtimes.mjs';

/** In this order: what users run comes first. */
const kSuites = {
  'wasm-threads': [
    'C++ tests as WebAssembly under Node, SIMD and threads',
    (filter) => runWasmTests('threads', filter),
  ],
  'wasm-single': ['C++ tests as WebAssembly under Node, SIMD, one thread', (filter) => runWasmTests('single', filter)],
  'native-asan': [
    'C++ tests, native, Address- and UndefinedBehaviorSanitizer',
    (filter) => runNativeTests('native-asan', filter),
  ],
  'native-tsan': ['C++ tests, native, ThreadSanitizer', (filter) => runNativeTests('native-tsan', filter)],
  jest: ['Jest on the built package', (filter) => build().then(() => runJest(filter ? [filter] : []))],
  chromium: ['the package in Chromium', (filter) => runBrowserTests('chromium', filter)],
  firefox: ['the package in Firefox', (filter) => runBrowserTests('firefox', filter)],
  webkit: ['the package in WebKitGTK', (filter) => runBrowserTests('webkit', filter)],
  demo: ['the web demo in Chromium', (filter) => buildDemo().then(() => runBrowserTests('demo', filter))],
  runtimes: ['the package in Node 20 to 26, Deno and Bun', (filter) => runRuntimeTests(filter)],
  bundlers: ['the package through Vite, webpack, esbuild, and without a bundler', (filter) => runBundlerTests(filter)],
  checks: ['layout, lint, types, arrows', () => runChecks()],
};

async function main() {
  const options = { suite: { type: 'string', multiple: true }, filter: { type: 'string' } };
  const { suite: wanted = Object.keys(kSuites), filter } = parseArgs({ options }).values;
  const unknown = wanted.filter((name) => !(name in kSuites));
  if (unknown.length > 0) {
    throw new SetupError(`There is no suite ${unknown.join(', ')}; there are: ${Object.keys(kSuites).join(', ')}.`);
  }
  await setUp();
  const outcomes = [];
  for (const name of wanted) outcomes.push({ name, ...(await runSuite(name, filter)) });
  report(outcomes);
}

async function runSuite(name, filter) {
  const [title, work] = kSuites[name];
  console.log(`\n=== ${name}: ${title}`);
  const begin = performance.now();
  const outcome = await work(filter).catch(failedToRun);
  if (outcome.passed + outcome.failed === 0) Object.assign(outcome, { failed: 1, problems: ['no test ran'] });
  return { ...outcome, seconds: (performance.now() - begin) / 1000 };
}

function failedToRun(error) {
  console.log(error instanceof SetupError ? error.message : error);
  return { passed: 0, failed: 1, problems: [`could not run: ${error.message.split('\n')[0]}`] };
}

function report(outcomes) {
  console.log('\n=== summary');
  for (const { name, passed, failed, seconds, problems } of outcomes) {
    const counts = `${passed} passed, ${failed} failed,`;
    console.log(`${name.padEnd(14)} ${counts.padEnd(28)} ${seconds.toFixed(1)} s`);
    for (const problem of problems) console.log(`    ${problem}`);
  }
  const total = (key) => outcomes.reduce((sum, outcome) => sum + outcome[key], 0);
  console.log(`${total('passed')} passed, ${total('failed')} failed`);
  if (total('failed') > 0) process.exitCode = 1;
}

runMain(main);
