import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { endTree, startTimeOf } from '../../../tools/lib/process-tree.mjs';
import { runSuites } from '../../../tools/test/runner.mjs';

const fixture = (name) => fileURLToPath(new URL(`fixtures/${name}.mjs`, import.meta.url));

/** The suite `hangs`, and what it starts: a child, one in a session of its own, and one without a parent. */
const kProcessesOfHangs = 4;

let server;
let port;
let lines;
let waiting;

/** A process that lives has a line to the test; the line closes when it ends, however that comes. */
beforeEach(async () => {
  [lines, waiting] = [[], []];
  server = createServer((line) => {
    const closed = new Promise((resolve) => line.on('error', () => {}).on('close', resolve));
    // Without it the line would not close while there is something to read.
    line.resume();
    lines.push({ line, closed });
    for (const look of waiting) look();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  ({ port } = server.address());
});
afterEach(() => new Promise((resolve) => server.close(resolve)));

const seen = (count) =>
  new Promise((resolve) => {
    const look = () => lines.length >= count && resolve();
    waiting.push(look);
    look();
  });

const allEnded = () => Promise.all(lines.map(({ closed }) => closed));

async function run(names, options = {}) {
  const printed = [];
  const settings = {
    commandOf: (name) => [fixture('some-suite'), name, String(port)],
    limitSeconds: 3600,
    graceSeconds: 0.1,
    print: (text) => printed.push(text),
    ...options,
  };
  const failed = await runSuites(names, settings);
  return { failed, printed, last: printed.at(-1) };
}

test('adds up what suites tell, and goes on after one that could not run', async () => {
  const { failed, printed, last } = await run(['throws', 'passes', 'nothing']);
  expect(last).toBe('2 passed, 2 failed');
  expect(failed).toBe(2);
  expect(printed).toContain('    could not run: the compiler is on strike');
  expect(printed).toContain('    no test ran');
});

test('a suite that ends without an outcome has failed', async () => {
  const { printed, last } = await run(['dies']);
  expect(last).toBe('0 passed, 1 failed');
  expect(printed).toContain('    told no outcome: the suite ended with exit code 3');
});

describe('a suite whose process cannot be started', () => {
  const { execPath } = process;
  afterEach(() => (process.execPath = execPath));

  test.each([
    ['there is no such program', '/nowhere/node', /^ {4}could not be run: spawn \/nowhere\/node ENOENT$/],
    ['the system refuses the call', 'node\0', /^ {4}could not be run: .*null bytes/],
  ])('has failed, and the next one runs: %s', async (_, program, text) => {
    const commandOf = (name) => {
      process.execPath = name === 'passes' ? execPath : program;
      return [fixture('some-suite'), name, String(port)];
    };
    const { printed, last } = await run(['unstarted', 'passes'], { commandOf });
    expect(last).toBe('2 passed, 1 failed');
    expect(printed).toContainEqual(expect.stringMatching(text));
  });
});

test('a suite that hangs is ended with all that it has started, and the next one runs', async () => {
  const limit = new AbortController();
  const running = run(['hangs', 'passes'], {
    limitOf: (name) => (name === 'hangs' ? limit.signal : new AbortController().signal),
  });
  await seen(kProcessesOfHangs);
  limit.abort();
  const { printed, last } = await running;
  await allEnded();
  expect(last).toBe('2 passed, 1 failed');
  expect(printed).toContain('    did not end within 3600 s, and was ended; --limit=MINUTES gives it more');
});

test('a suite has a limit in seconds', async () => {
  const { printed, last } = await run(['hangs'], { limitSeconds: 0.1 });
  await allEnded();
  expect(last).toBe('0 passed, 1 failed');
  expect(printed).toContain('    did not end within 0.1 s, and was ended; --limit=MINUTES gives it more');
});

test('suites that may share run two at a time, after all others, and print one after the other', async () => {
  const running = run(['waits', 'waits', 'waits', 'passes'], { mayShare: (name) => name === 'waits' });
  // One after the other would never be two.
  await seen(2);
  for (const { line } of lines) line.write('go');
  await seen(3);
  lines[2].line.write('go');
  const { printed, last } = await running;
  expect(last).toBe('8 passed, 0 failed');
  expect(printed.slice(0, 2)).toEqual(['\n=== waits begins', '\n=== waits begins']);
  expect(printed.filter((text) => text === 'has waited')).toHaveLength(3);
});

test('what a suite leaves behind ends with it', async () => {
  const running = run(['leaves']);
  await seen(2);
  for (const { line } of lines) line.write('go');
  const { last } = await running;
  await allEnded();
  expect(last).toBe('2 passed, 0 failed');
});

test('a process that has been given the number of one that has ended is left alone', async () => {
  const stranger = spawn(process.execPath, [fixture('stubborn'), String(port)], { stdio: 'ignore', detached: true });
  const exited = once(stranger, 'exit');
  await seen(1);
  await endTree(stranger.pid, { mark: 'of another tree', startTime: '0', graceSeconds: 0 });
  expect([stranger.exitCode, stranger.signalCode]).toEqual([null, null]);
  const answered = once(lines[0].line, 'data');
  lines[0].line.write('still there?');
  await answered;
  await endTree(stranger.pid, { startTime: startTimeOf(stranger.pid), graceSeconds: 0 });
  expect(await exited).toEqual([null, 'SIGKILL']);
});

test('a suite that does not exit after its tests has failed', async () => {
  const { printed, last } = await run(['lingers'], { exitSeconds: 0.1 });
  expect(last).toBe('2 passed, 1 failed');
  expect(printed).toContain('    did not exit after its tests, and was ended');
});

/** The outcome of Jest on a file of the fixtures. */
async function runJestOn(name) {
  const child = spawn(process.execPath, [fixture('run-jest'), name], { stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (piece) => (text += piece));
  await once(child, 'close');
  return JSON.parse(text.trim().split('\n').at(-1));
}

test('Jest that does not exit after its tests is ended, and has failed', async () => {
  expect(await runJestOn('left-open')).toEqual({
    passed: 1,
    failed: 1,
    problems: ['Jest did not exit after its tests: they have left something open'],
  });
});

test('a browser that does not start is one failure, and ends Jest', async () => {
  const { passed, failed, problems } = await runJestOn('no-browser');
  expect({ passed, failed }).toEqual({ passed: 0, failed: 1 });
  expect(problems[0]).toMatch(/^\/usr\/bin\/WebKitWebDriver did not start: /);
});

test('a filter that nothing would heed is refused', async () => {
  const script = fileURLToPath(new URL('../../../tools/test.mjs', import.meta.url));
  const child = spawn(process.execPath, [script, '--suite=checks', '--filter=prettier'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (piece) => (text += piece));
  expect(await once(child, 'close')).toEqual([1, null]);
  expect(text).toBe('checks runs as a whole; leave --filter out.\n');
});

describe('whoever runs the tests', () => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGKILL', null],
  ])('ends all suites and what they have started by %s', async (signal, code) => {
    const runner = spawn(process.execPath, [fixture('run-some-suites'), String(port), 'hangs'], { stdio: 'ignore' });
    const exited = once(runner, 'exit');
    await seen(kProcessesOfHangs);
    runner.kill(signal);
    await allEnded();
    expect((await exited)[0]).toBe(code);
  });
});
