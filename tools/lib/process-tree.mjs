import { spawn } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';

/** Processes inherit it from the root of their tree: it finds those that have left the root's group and lost their parent. */
const kMark = 'ARROWQUANT_PROCESS_TREE';
/** For processes to tidy up before they are killed. */
const kGraceSeconds = 2;
/** For the kernel to take killed processes away; one that hangs in a call to it cannot be waited for. */
const kKillSeconds = 10;
const kPauseMilliseconds = 50;

const running = new Set();
let started = 0;

/**
 * Starts a program as the root of a process tree, which can be ended as a whole.
 *
 * @param {string} command
 * @param {readonly string[]} parameters
 * @param {{cwd?: string, env?: NodeJS.ProcessEnv, stdio?: import('node:child_process').StdioOptions}} options
 */
export function startTree(command, parameters, { cwd, env = process.env, stdio = 'inherit' } = {}) {
  const mark = `${process.env[kMark] ?? ''}/${process.pid}-${Date.now()}-${(started += 1)}`;
  const child = spawn(command, parameters, { cwd, env: { ...env, [kMark]: mark }, stdio, detached: true });
  const startTime = child.pid === undefined ? null : startTimeOf(child.pid);
  const tree = {
    child,
    /** Why the root did not end well, or null. */
    ended: endOf(child),
    /** Ends whatever is left of the tree. */
    async end(graceSeconds) {
      if (child.pid !== undefined) await endTree(child.pid, { mark, startTime, graceSeconds });
      running.delete(tree);
    },
  };
  running.add(tree);
  return tree;
}

/** Ends all trees that this process has started. */
export async function endAllTrees(graceSeconds) {
  await Promise.all([...running].map((tree) => tree.end(graceSeconds)));
}

/** @returns {Promise<string | null>} why the program did not end well, or null */
export function endOf(child) {
  return new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('exit', (code, signal) => {
      if (signal !== null) resolve(`was ended by ${signal}`);
      else resolve(code === 0 ? null : `ended with exit code ${code}`);
    });
  });
}

/**
 * Asks all processes of the tree to end, and kills those that do not.
 *
 * @param {number} root the number of the process that the tree begins with, which may have ended
 * @param {{mark?: string | null, startTime?: string | null, graceSeconds?: number}} options `startTime` is the root's: when
 *   the process of that number has another, it is none of the tree
 */
export async function endTree(root, { mark = null, startTime = null, graceSeconds = kGraceSeconds } = {}) {
  const looks = (seconds) => (seconds * 1000) / kPauseMilliseconds;
  for (let look = 0; look < looks(graceSeconds + kKillSeconds); ++look) {
    if (!signalTree({ root, mark, startTime }, look < looks(graceSeconds) ? 'SIGTERM' : 'SIGKILL')) return;
    // What a killed process has started in its last moment is found by the next look.
    await wait(kPauseMilliseconds);
  }
}

/** Ends the tree whose root this process is, at once. */
export function endOwnTree() {
  signalTree({ root: process.pid, mark: process.env[kMark] ?? null, startTime: null }, 'SIGKILL');
}

/** Whether there was anything to send the signal to. */
function signalTree(tree, signal) {
  const isLinux = process.platform === 'linux';
  // Without /proc, the root's group is all that can be found.
  const targets = isLinux ? processesOf(tree) : [-tree.root];
  return targets.filter((target) => trySignal(target, signal)).length > 0;
}

function trySignal(target, signal) {
  try {
    process.kill(target, signal);
    return true;
  } catch {
    return false;
  }
}

/** The living processes of a tree, its root last. */
function processesOf({ root, mark, startTime }) {
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const processes = all.map((name) => readProcess(Number(name))).filter((one) => one !== null);
  // The number of a process that has ended is given again, though not before the last of its group has ended as well.
  const present = processes.find(({ pid }) => pid === root);
  const isStrange = present !== undefined && startTime !== null && present.startTime !== startTime;
  const isOwn = ({ pid, group }) => (!isStrange && (pid === root || group === root)) || carries(pid, mark);
  const members = new Set(processes.filter(isOwn).map(({ pid }) => pid));
  for (let size = 0; size !== members.size;) {
    size = members.size;
    for (const { pid, parent } of processes) if (members.has(parent)) members.add(pid);
  }
  const living = processes.filter(({ pid, state }) => members.has(pid) && state !== 'Z').map(({ pid }) => pid);
  return living.sort((a, b) => Number(a === root) - Number(b === root));
}

function readProcess(pid) {
  const stat = readOrEmpty(`/proc/${pid}/stat`);
  if (stat === '') return null;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { pid, state: fields[0], parent: Number(fields[1]), group: Number(fields[2]), startTime: fields[19] };
}

/** Tells apart processes that have had the same number; null where there is no /proc, or no such process. */
export function startTimeOf(pid) {
  return readProcess(pid)?.startTime ?? null;
}

function carries(pid, mark) {
  if (mark === null) return false;
  const variables = readOrEmpty(`/proc/${pid}/environ`).split('\0');
  const own = variables.find((variable) => variable.startsWith(`${kMark}=`))?.slice(kMark.length + 1);
  return own === mark || (own?.startsWith(`${mark}/`) ?? false);
}

function readOrEmpty(file) {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
