import { setTimeout as wait } from 'node:timers/promises';
import { SetupError, run, runOrThrow } from '../lib/run.mjs';

/** apt-get's words for installing packages. */
export const kInstall = ['install', '-y', '--no-install-recommends'];

/** For a lock that another apt holds; its own time-out is for dpkg's lock alone. */
const kLockPauseMilliseconds = 2000;
const kLockTries = 150;

/** A mirror that does not answer costs seconds, not minutes; a package may come through a slow proxy. */
const kUpdate = ['-o', 'Acquire::http::Timeout=10', '-o', 'Acquire::https::Timeout=10', 'update'];
const kLockTimeout = ['-o', 'DPkg::Lock::Timeout=300'];

/**
 * Installs packages on the machine.
 *
 * @param {readonly string[]} packages
 * @param {readonly string[]} optional those that may fail
 * @param {readonly string[]} asRoot what a command must begin with to have root's rights
 * @param {number} [lockPauseMilliseconds] between looks at a lock that another apt holds
 * @throws {SetupError} with what apt-get has to say
 */
export async function installPackages(packages, optional, asRoot, lockPauseMilliseconds = kLockPauseMilliseconds) {
  const variables = ['DEBIAN_FRONTEND=noninteractive', 'LC_ALL=C'];
  const apt = (words) => [...asRoot, 'env', ...variables, 'apt-get', '-q', ...words];
  // Some source of packages that cannot be reached says nothing about those that are needed.
  const update = await runUnlocked(apt(kUpdate), lockPauseMilliseconds);
  const install = (names) => apt([...kLockTimeout, ...kInstall, ...names]);
  const [command, ...parameters] = install(packages);
  try {
    await runOrThrow(`Installing ${packages.join(' ')}`, command, parameters);
  } catch (error) {
    throw update.complaints === '' ? error : new SetupError(`${error.message}\n${update.complaints}`);
  }
  if (optional.length > 0) await run(command, install(optional).slice(1));
}

/** Runs a program again for as long as another one holds a lock that it needs. */
async function runUnlocked([command, ...parameters], pauseMilliseconds) {
  for (let look = 1; ; ++look) {
    const { code, stderr } = await run(command, parameters);
    const complaints = stderr.trim();
    if (look === kLockTries || code === 0 || !complaints.includes('Could not get lock')) return { complaints };
    await wait(pauseMilliseconds);
  }
}
