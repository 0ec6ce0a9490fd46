import { existsSync, statSync, utimesSync } from 'node:fs';
import { withLock } from '../lib/lock.mjs';
import { inProject, projectRoot } from '../lib/paths.mjs';
import { runOrThrow } from '../lib/run.mjs';

/** Installs the npm dependencies when they are missing or older than the lock file. */
export async function ensureNpmPackages(say) {
  if (isCurrent()) return;
  const install = async () => {
    if (isCurrent()) return;
    say('installing the npm dependencies (npm ci)');
    const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
    // No dependency needs its install script, and some would download more.
    await runOrThrow('npm ci', npm, ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: projectRoot });
    const now = new Date();
    utimesSync(inProject('node_modules/.package-lock.json'), now, now);
  };
  await withLock(inProject('build/npm.lock'), install, (owner) =>
    say(`process ${owner} is running npm ci; waiting for it`),
  );
}

function isCurrent() {
  const installed = inProject('node_modules/.package-lock.json');
  return existsSync(installed) && statSync(installed).mtimeMs >= statSync(inProject('package-lock.json')).mtimeMs;
}
