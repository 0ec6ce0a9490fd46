import { once } from 'node:events';
import { endAllTrees, startTree } from '../lib/process-tree.mjs';
import { failure, merge } from './suite.mjs';

/** For a suite that has told its outcome, and has nothing left to do. */
const kExitSeconds = 10;

let interrupted = false;

/** Suites that are run at the same time, where they may be. */
const kLanes = 2;

/**
 * Runs suites, each in a process of its own; nothing that a suite starts outlives it. Those that need all cores run one
 * after the other, then the others, which wait more than they work, two at a time. The last line that is printed is
 * `N passed, N failed`.
 *
 * @param {readonly string[]} names
 * @param {object} options
 * @param {(name: string) => string[]} options.commandOf how Node is called for a suite, which sends its `Outcome` as a
 *   message
 * @param {(name: string) => boolean} [options.mayShare] whether a suite leaves room for another one
 * @param {number} options.limitSeconds after which a suite is ended, and has failed
 * @param {(name: string) => AbortSignal} [options.limitOf] the limit, if it is not a time
 * @param {number} [options.exitSeconds] for a suite to end by itself after its outcome
 * @param {number} [options.graceSeconds] for processes to tidy up when they have to end
 * @param {(text: string) => void} [options.print]
 * @returns {Promise<number>} how many tests failed
 */
export async function runSuites(names, options) {
  const { mayShare = () => false, print = console.log } = options;
  const outcomes = [];
  /** Takes names off the list until none is left. */
  const lane = async (pending, output) => {
    for (let name = pending.shift(); name !== undefined && !interrupted; name = pending.shift()) {
      outcomes.push(await timed(name, options, output));
    }
  };
  await lane(
    names.filter((name) => !mayShare(name)),
    'inherit',
  );
  const sharing = names.filter(mayShare);
  const lanes = Math.min(kLanes, sharing.length);
  await Promise.all(Array.from({ length: lanes }, () => lane(sharing, lanes > 1 ? 'pipe' : 'inherit')));
  outcomes.sort((a, b) => names.indexOf(a.name) - names.indexOf(b.name));
  report(outcomes, print);
  return merge(outcomes).failed;
}

/** Runs one suite. With the output `pipe`, what it prints comes when it has ended: others print meanwhile. */
async function timed(name, options, output) {
  const { commandOf, limitSeconds, limitOf = () => seconds(limitSeconds), print = console.log } = options;
  const begin = performance.now();
  if (output === 'pipe') print(`\n=== ${name} begins`);
  const printed = [];
  const outcome = await runSuite(commandOf(name), limitOf(name), { ...options, output, printed }).catch(cannotRun);
  if (outcome.passed + outcome.failed === 0) Object.assign(outcome, failure('no test ran'));
  if (output === 'pipe') print(Buffer.concat(printed).toString().trimEnd());
  return { name, ...outcome, seconds: (performance.now() - begin) / 1000 };
}

const cannotRun = (error) => failure(`could not be run: ${error.message}`);
const seconds = (number) => AbortSignal.timeout(number * 1000);

/** @returns {Promise<import('./suite.mjs').Outcome>} */
async function runSuite(command, limit, options) {
  const { limitSeconds, exitSeconds = kExitSeconds, graceSeconds, output, printed } = options;
  const tree = startTree(process.execPath, command, { stdio: ['ignore', output, output, 'ipc'] });
  const { child } = tree;
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (piece) => printed.push(piece));
  const told = once(child, 'message').then(([outcome]) => ({ outcome }));
  const ended = tree.ended.then(async (problem) => {
    // What the process has said last may still be on its way.
    if (child.connected) await once(child, 'disconnect');
    return { problem };
  });
  try {
    const { outcome, problem, late } = await Promise.race([told, reached(limit), ended]);
    if (late) return failure(`did not end within ${limitSeconds} s, and was ended; --limit=MINUTES gives it more`);
    if (outcome === undefined) return failure(`told no outcome: the suite ${problem ?? 'ended'}`);
    const exit = await Promise.race([ended, reached(seconds(exitSeconds))]);
    if (exit.late) return merge([outcome, failure('did not exit after its tests, and was ended')]);
    return exit.problem === null ? outcome : merge([outcome, failure(`the suite ${exit.problem}`)]);
  } finally {
    await tree.end(graceSeconds);
  }
}

async function reached(signal) {
  if (!signal.aborted) await once(signal, 'abort');
  return { late: true };
}

function report(outcomes, print) {
  print('\n=== summary');
  for (const outcome of outcomes) {
    const counts = `${outcome.passed} passed, ${outcome.failed} failed,`;
    print(`${outcome.name.padEnd(14)} ${counts.padEnd(28)} ${outcome.seconds.toFixed(1)} s`);
    for (const problem of outcome.problems) print(`    ${problem}`);
  }
  const { passed, failed } = merge(outcomes);
  print(`${passed} passed, ${failed} failed`);
}

/** Ctrl-C, and what else ends this process, ends all that it has started. */
export function endChildrenOnSignals(graceSeconds) {
  const codes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };
  for (const [signal, code] of Object.entries(codes)) {
    process.on(signal, () => {
      interrupted = true;
      void endAllTrees(graceSeconds).finally(() => process.exit(code));
    });
  }
}
