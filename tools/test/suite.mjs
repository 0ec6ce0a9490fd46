import { spawn } from 'node:child_process';
import { endOf } from '../lib/process-tree.mjs';

/**
 * Outcome of one suite.
 *
 * @typedef {{passed: number, failed: number, problems: string[]}} Outcome
 */

/** @returns {Outcome} of a suite that is one check */
export function single(ok, problem) {
  return ok ? { passed: 1, failed: 0, problems: [] } : failure(problem);
}

/** @returns {Outcome} of a suite that could not do its work */
export function failure(problem) {
  return { passed: 0, failed: 1, problems: [problem] };
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
  return endOf(spawn(command, parameters, { cwd, env, stdio: ['ignore', 'inherit', 'inherit'] }));
}
