import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { inProject, projectRoot } from '../lib/paths.mjs';
import { runVisibly } from './suite.mjs';

/**
 * Jest on the built package.
 *
 * @param {string[]} flags what Jest shall run, and how
 * @param {string} name of the report
 */
export async function runJest(flags = [], name = 'jest') {
  const report = inProject(`build/reports/${name}.json`);
  mkdirSync(path.dirname(report), { recursive: true });
  rmSync(report, { force: true });
  // Jest needs Node's vm modules to load ES modules; they are marked experimental, and every worker says so.
  const node = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  const jest = inProject('node_modules/jest/bin/jest.js');
  const parameters = [...node, jest, '--json', `--outputFile=${report}`, ...flags];
  const problem = await runVisibly(process.execPath, parameters, { cwd: projectRoot });
  return readReport(report, problem);
}

/** @returns {import('./suite.mjs').Outcome} */
function readReport(report, problem) {
  if (!existsSync(report)) return { passed: 0, failed: 1, problems: [`no report: Jest ${problem ?? 'wrote none'}`] };
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
