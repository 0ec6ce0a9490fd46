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
  const startFault = inProject(`build/reports/${name}.start-fault`);
  mkdirSync(path.dirname(report), { recursive: true });
  for (const file of [report, startFault]) rmSync(file, { force: true });
  // Jest needs Node's vm modules to load ES modules; they are marked experimental, and every worker says so.
  const node = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  const jest = inProject('node_modules/jest/bin/jest.js');
  const parameters = [...node, jest, '--json', `--outputFile=${report}`, ...flags];
  const env = { ...process.env, ARROWQUANT_START_FAULT: startFault };
  const child = spawn(process.execPath, parameters, { cwd: projectRoot, env, stdio: ['ignore', 'inherit', 'inherit'] });
  const watch = watchFor(report, startFault, exitSeconds);
  const ended = endOf(child).then((problem) => ({ problem }));
  const { problem = null, late } = await Promise.race([ended, watch.reason]);
  watch.stop();
  if (late !== undefined) await endTree(child.pid);
  if (existsSync(startFault)) return failure(readFileSync(startFault, 'utf8'));
  // Jest calls what a pattern of names leaves out what it calls skipped tests, which are failures otherwise.
  const mayLeaveOut = flags.some((flag) => flag.startsWith('--testNamePattern='));
  if (!late) return readReport(report, problem, mayLeaveOut);
  return merge([
    readReport(report, null, mayLeaveOut),
    failure('Jest did not exit after its tests: they have left something open'),
  ]);
}

/**
 * Why Jest should not go on: no browser starts, or it waits for whatever its tests have left open, for ever if need be. It
 * has written its report after the last test.
 */
function watchFor(report, startFault, exitSeconds) {
  let timer;
  const reason = new Promise((resolve) => {
    let deadline = Infinity;
    timer = setInterval(() => {
      if (existsSync(report)) deadline = Math.min(deadline, performance.now() + exitSeconds * 1000);
      if (performance.now() >= deadline) resolve({ late: true });
      if (existsSync(startFault)) resolve({ late: false });
    }, 200);
  });
  return { reason, stop: () => clearInterval(timer) };
}

/** @returns {import('./suite.mjs').Outcome} */
function readReport(report, problem, mayLeaveOut) {
  if (!existsSync(report)) return failure(`no report: Jest ${problem ?? 'wrote none'}`);
  const { testResults, numPassedTests } = JSON.parse(readFileSync(report, 'utf8'));
  const problems = testResults.flatMap(({ name, status, message, assertionResults }) => {
    const file = path.relative(projectRoot, name);
    const bad = assertionResults.filter(({ status: end }) => end !== 'passed' && !(mayLeaveOut && end === 'pending'));
    if (status === 'failed' && bad.length === 0) return [`${file} did not load: ${message.split('\n')[0]}`];
    return bad.map((test) => `${file}: ${test.fullName}${test.status === 'failed' ? '' : ` (${test.status})`}`);
  });
  if (problem !== null && problems.length === 0) problems.push(`Jest ${problem}`);
  return { passed: numPassedTests, failed: problems.length, problems };
}
