import { existsSync, readFileSync } from 'node:fs';
import { SetupError, which } from '../lib/run.mjs';

export function checkNode() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < 20) throw new SetupError(`ArrowQuant needs Node 20 or newer; this is ${process.version}.`);
}

/** The files that may hold the keys of Debian's archive. */
export const kKeyrings = ['gpg', 'pgp'].map((end) => `/usr/share/keyrings/debian-archive-keyring.${end}`);

/** Whether this is an x86-64 Linux that has apt, and which one. */
export function debianFlavour() {
  if (process.platform !== 'linux' || process.arch !== 'x64' || !which('apt-get') || !which('dpkg-deb')) return null;
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  const id = /^ID="?([^"\n]*)/m.exec(release)?.[1] ?? '';
  const like = /^ID_LIKE="?([^"\n]*)/m.exec(release)?.[1] ?? '';
  if (id === 'debian') return 'debian';
  return `${id} ${like}`.includes('ubuntu') || like.includes('debian') ? 'ubuntu' : null;
}
