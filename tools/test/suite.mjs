import { spawn } from 'node:child_process';

/** No program of a test run may take longer than this: a deadlock has to end as a failure. */
const kTimeLimitSeconds = 900;

/**
 * Outcome of one suite.
 *
 * @typedef {{passed: number, failed: number, problems: string[]}} Outcome
 */

/** @returns {Outcome} of a suite that is one check */
export function single(ok, problem) {
  return ok ? { passed: 1, failed: 0, problems: [] } : { passed: 0, failed: 1, problems: [problem] };
}

/** @returns {Outcome} */
export function merge(outcomes) {
  return {
    passed: outcomes.reduce((sum, { passed }) => sum + passed, 0),
    failed: outcomes.reduce((sum, { failed }) => sum + failed, 0),
    problems: outcomes.flatMap(({ problems }) => problems),
  };
}

/**
 * Runs a test program with its output going through.
 *
 * @returns {Promise<string | null>} why it did not end well, or null
 */
export function runVisibly(command, parameters, { cwd, env = process.env } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, parameters, { cwd, env, stdio: ['ignore', 'inherit', 'inherit'] });
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, kTimeLimitSeconds * 1000);
    const end = (problem) => {
      clearTimeout(timer);
      resolve(problem);
    };
    child.on('error', (error) => end(error.message));
    child.on('close', (code, signal) => {
      if (late) end(`did not end within ${kTimeLimitSeconds} s`);
      else if (signal !== null) end(`was ended by ${signal}`);
      else end(code === 0 ? null : `ended with exit code ${code}`);
    });
  });
}
