import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { inProject, projectRoot } from '../lib/paths.mjs';
import { endOf, endTree } from '../lib/process-tree.mjs';
import { failure, merge } from './suite.mjs';

/** For Jest to exit after its tests, when nothing is left to do. */
const kExitSeconds = 10;

/**
 * Jest on the built package.
 *
 * @param {string[]} flags what Jest shall run, and how
 * @param {string} name of the report
 */
export async function runJest(flags = [], name = 'jest', exitSeconds = kExitSeconds) {
  const report = inProject(`build/reports/${name}.json`);
  mkdirSync(path.dirname(report), { recursive: true });
  rmSync(report, { force: true });
  // Jest needs Node's vm modules to load ES modules; they are marked experimental, and every worker says so.
  const node = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  const jest = inProject('node_modules/jest/bin/jest.js');
  const parameters = [...node, jest, '--json', `--outputFile=${report}`, ...flags];
  const child = spawn(process.execPath, parameters, { cwd: projectRoot, stdio: ['ignore', 'inherit', 'inherit'] });
  const ended = endOf(child);
  const overdue = watchForReport(report, exitSeconds);
  // Jest waits for whatever its tests have left open, for ever if need be.
  const { problem, late } = await Promise.race([ended.then((end) => ({ problem: end })), overdue.reached]);
  overdue.stop();
  if (!late) return readReport(report, problem);
  await endTree(child.pid);
  return merge([readReport(report, null), failure('Jest did not exit after its tests: they have left something open')]);
}

/** `reached` resolves when the report, which Jest writes after the last test, has been there for `exitSeconds`. */
function watchForReport(report, exitSeconds) {
  let timer;
  const reached = new Promise((resolve) => {
    let deadline = Infinity;
    timer = setInterval(() => {
      if (existsSync(report)) deadline = Math.min(deadline, performance.now() + exitSeconds * 1000);
      if (performance.now() >= deadline) resolve({ late: true });
    }, 200);
  });
  return { reached, stop: () => clearInterval(timer) };
}

/** @returns {import('./suite.mjs').Outcome} */
function readReport(report, problem) {
  if (!existsSync(report)) return failure(`no report: Jest ${problem ?? 'wrote none'}`);
  const { testResults, numPassedTests } = JSON.parse(readFileSync(report, 'utf8'));
  const problems = testResults.flatMap(({ name, status, message, assertionResults }) => {
    const file = path.relative(projectRoot, name);
    const bad = assertionResults.filter((test) => test.status !== 'passed');
    if (status === 'failed' && bad.length === 0) return [`${file} did not load: ${message.split('\n')[0]}`];
    return bad.map((test) => `${file}: ${test.fullName}${test.status === 'failed' ? '' : ` (${test.status})`}`);
  });
  if (problem !== null && problems.length === 0) problems.push(`Jest ${problem}`);
  return { passed: numPassedTests, failed: problems.length, problems };
}
