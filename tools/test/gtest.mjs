import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { cmakeBuild } from '../build/cmake.mjs';
import { wasmEnvironment } from '../build/wasm.mjs';
import { inProject } from '../lib/paths.mjs';
import { run, which } from '../lib/run.mjs';
import { setUp } from '../setup.mjs';
import { failure, merge, runVisibly } from './suite.mjs';

const kTarget = 'arrowquant_tests';
/** Some tests use several threads by themselves. */
const kMostShards = 4;

/** The C++ tests as WebAssembly under Node. */
export async function runWasmTests(flavour, filter) {
  const emscripten = await setUp();
  await cmakeBuild(`wasm-${flavour}`, [kTarget], wasmEnvironment(emscripten));
  const program = inProject('build', `wasm-${flavour}`, 'tests/cpp', `${kTarget}.cjs`);
  const runAs = (name, flags) => runProgram(name, process.execPath, [...flags, program], {}, filter);
  if (flavour !== 'threads') return runAs(`wasm-${flavour}`, []);
  const [optimized, baseline] = await Promise.all([
    runAs(`wasm-${flavour}`, []),
    // Node starts every function in its baseline compiler, which has bugs of its own around atomic waits.
    runAs(`wasm-${flavour}-baseline`, ['--liftoff-only']),
  ]);
  return merge([
    optimized,
    { ...baseline, problems: baseline.problems.map((problem) => `baseline compiler: ${problem}`) },
  ]);
}

/** The C++ tests as a native program under sanitizers. */
export async function runNativeTests(preset, filter) {
  await cmakeBuild(preset, [kTarget]);
  const program = inProject('build', preset, 'tests/cpp', kTarget);
  const settings = {
    ASAN_OPTIONS: 'detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1',
    UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
    TSAN_OPTIONS: 'halt_on_error=1:second_deadlock_stack=1',
  };
  const [command, ...parameters] = [...(await fixedAddresses()), program];
  const shards = Math.min(availableParallelism(), kMostShards);
  const outcomes = Array.from({ length: shards }, (_, index) => {
    const shard = { GTEST_TOTAL_SHARDS: String(shards), GTEST_SHARD_INDEX: String(index) };
    return runProgram(`${preset}-${index}`, command, parameters, { ...settings, ...shard }, filter);
  });
  return merge(await Promise.all(outcomes));
}

/** Older ThreadSanitizers fail at random where the kernel spreads addresses widely; some containers forbid the cure. */
async function fixedAddresses() {
  const setarch = which('setarch');
  if (setarch === null) return [];
  const prefix = [setarch, '-R'];
  return (await run(setarch, ['-R', 'true'])).code === 0 ? prefix : [];
}

async function runProgram(name, command, parameters, settings, filter) {
  const report = inProject('build/reports', `${name}.json`);
  mkdirSync(path.dirname(report), { recursive: true });
  rmSync(report, { force: true });
  const flags = [`--gtest_output=json:${report}`, '--gtest_brief=1', ...(filter ? [`--gtest_filter=${filter}`] : [])];
  const problem = await runVisibly(command, [...parameters, ...flags], { env: { ...process.env, ...settings } });
  return readReport(report, problem);
}

/** @returns {import('./suite.mjs').Outcome} */
function readReport(report, problem) {
  if (!existsSync(report)) return failure(`no report: the program ${problem ?? 'wrote none'}`);
  const tests = JSON.parse(readFileSync(report, 'utf8')).testsuites.flatMap((suite) =>
    suite.testsuite.map((test) => ({ ...test, name: `${suite.name}.${test.name}` })),
  );
  const bad = tests.filter((test) => test.failures !== undefined || test.result !== 'COMPLETED');
  const problems = bad.map(({ name, result }) => (result === 'COMPLETED' ? name : `${name} (${result.toLowerCase()})`));
  // Sanitizers report leaks after the last test, when every test has passed.
  if (problem !== null && bad.length === 0) problems.push(`the program ${problem}`);
  return { passed: tests.length - bad.length, failed: problems.length, problems };
}
