/** A lock between processes that share a folder: a file that its owner touches from time to time. */
import { open, rm, stat, utimes } from 'node:fs/promises';

/** Milliseconds between two signs of life of the owner. */
const HEARTBEAT = 1000;
/** An owner that was silent for this long has ended without releasing its lock. */
const SILENCE_LIMIT = 10_000;

/**
 * Resolves to a function that releases the lock, or to null when somebody else holds it. Two that take over an abandoned
 * lock at the same moment may both get it: use it to save work, not for safety.
 */
export async function tryLock(file) {
  try {
    const handle = await open(file, 'wx');
    await handle.close();
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    if (await isAbandoned(file)) await rm(file, { force: true });
    return null;
  }
  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(file, now, now).catch(() => undefined);
  }, HEARTBEAT);
  // It must not keep a process alive.
  heartbeat.unref();
  return async () => {
    clearInterval(heartbeat);
    await rm(file, { force: true });
  };
}

async function isAbandoned(file) {
  const about = await stat(file).catch(() => null);
  return about !== null && Date.now() - about.mtimeMs > SILENCE_LIMIT;
}
