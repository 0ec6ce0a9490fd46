import { existsSync, statSync, utimesSync } from 'node:fs';
import path from 'node:path';
import { withLock } from '../lib/lock.mjs';
import { inProject } from '../lib/paths.mjs';
import { runOrThrow } from '../lib/run.mjs';

/**
 * Installs the npm dependencies of `folder`, a path from the project's folder, when they are missing or older than its
 * lock file.
 */
export async function ensureNpmPackages(say, folder = '.') {
  if (isCurrent(folder)) return;
  const install = async () => {
    if (isCurrent(folder)) return;
    say(`installing the npm dependencies${folder === '.' ? '' : ` of ${folder}`} (npm ci)`);
    const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
    // No dependency needs its install script, and some would download more.
    const parameters = ['ci', '--ignore-scripts', '--no-audit', '--no-fund'];
    await runOrThrow(`npm ci in ${folder}`, npm, parameters, { cwd: inProject(folder) });
    const now = new Date();
    utimesSync(installedList(folder), now, now);
  };
  const lock = inProject(path.join('build', `npm${folder === '.' ? '' : `-${folder.replaceAll('/', '-')}`}.lock`));
  await withLock(lock, install, (owner) => say(`process ${owner} is running npm ci; waiting for it`));
}

const installedList = (folder) => inProject(folder, 'node_modules/.package-lock.json');

function isCurrent(folder) {
  const installed = installedList(folder);
  return (
    existsSync(installed) && statSync(installed).mtimeMs >= statSync(inProject(folder, 'package-lock.json')).mtimeMs
  );
}
