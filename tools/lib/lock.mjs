import { closeSync, linkSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { startTimeOf } from './process-tree.mjs';

/**
 * Runs `work` while no other process does so under the same lock file, and waits for its turn. A lock whose owner has
 * died is taken over.
 *
 * @param {string} file created with the owner's identity in it, removed at the end
 * @param {() => Promise<T>} work
 * @param {(owner: string) => void} onWait called once if another process holds the lock
 * @returns {Promise<T>}
 * @template T
 */
export async function withLock(file, work, onWait = () => {}) {
  mkdirSync(path.dirname(file), { recursive: true });
  let told = false;
  while (!tryToTake(file)) {
    const owner = readOrNull(file);
    if (owner !== null && !isAlive(owner)) {
      takeAway(file, owner);
      continue;
    }
    if (!told) onWait(owner?.split(' ')[0] ?? 'unknown');
    told = true;
    await wait(300);
  }
  const release = () => rmSync(file, { force: true });
  const onSignal = (signal) => {
    release();
    process.exit(signal === 'SIGINT' ? 130 : 143);
  };
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  try {
    return await work();
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
    release();
  }
}

function tryToTake(file) {
  // Written aside and linked into place, so that nobody ever reads a lock without its owner in it.
  const aside = `${file}.${process.pid}`;
  const handle = openSync(aside, 'w');
  writeSync(handle, `${process.pid} ${startTimeOf(process.pid) ?? ''}`);
  closeSync(handle);
  try {
    linkSync(aside, file);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function takeAway(file, deadOwner) {
  const aside = `${file}.stale.${process.pid}`;
  try {
    renameSync(file, aside);
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  // Between reading and renaming, someone else may have removed the dead lock and taken its place: give it back.
  if (readOrNull(aside) !== deadOwner) {
    try {
      linkSync(aside, file);
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
  }
  rmSync(aside, { force: true });
}

function isAlive(owner) {
  const [pid, started] = owner.split(' ');
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
  // A process number is used again after a while; its start time tells the two apart.
  return !started || startTimeOf(Number(pid)) === started;
}

function readOrNull(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}
