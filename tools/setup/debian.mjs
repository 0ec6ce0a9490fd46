import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { SetupError, runOrThrow } from '../lib/run.mjs';
import { adaptPrograms } from './elf.mjs';
import { kKeyrings } from './host.mjs';
import { debianMirror } from './mirror.mjs';

/**
 * Makes `target` a tree of packages from Debian's archive. Needs no rights and touches nothing but `target` and its
 * neighbours of the same name; apt checks the signatures.
 *
 * @param {string} target does not exist yet; it appears only when complete
 * @param {object} source the lock's `debian`
 * @param {{packages: readonly string[], omit: readonly string[], programs: readonly string[]}} recipe
 * @param {(text: string) => void} say
 */
export async function unpackFromDebian(target, source, recipe, say) {
  const keyring = findKeyring(source);
  const staging = `${target}.new`;
  removeLeftovers(target);
  mkdirSync(staging, { recursive: true });
  try {
    await downloadPackages(staging, source, recipe, keyring, say);
    say('unpacking');
    await unpackPackages(staging, recipe.omit);
    await adaptPrograms(staging, target, recipe);
    renameSync(staging, target);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

function findKeyring({ suite }) {
  const file = kKeyrings.find((name) => existsSync(name));
  if (file !== undefined) return file;
  throw new SetupError(
    `The keys that Debian ${suite}'s packages are signed with are missing. ` +
      'Install them: sudo apt-get install debian-archive-keyring',
  );
}

function removeLeftovers(target) {
  const parent = path.dirname(target);
  if (!existsSync(parent)) return;
  for (const name of readdirSync(parent)) {
    if (name.startsWith(`${path.basename(target)}.new`))
      rmSync(path.join(parent, name), { recursive: true, force: true });
  }
}

async function downloadPackages(staging, source, recipe, keyring, say) {
  const state = path.join(staging, 'apt');
  const packages = path.join(staging, 'packages');
  for (const folder of [`${state}/lists/partial`, `${state}/cache/archives/partial`, packages]) {
    mkdirSync(folder, { recursive: true });
  }
  const mirror = debianMirror(source.mirror);
  writeFileSync(`${state}/status`, '');
  writeFileSync(
    `${state}/sources.list`,
    `deb [arch=${source.architecture} signed-by=${keyring}] ${mirror} ${source.suite} ${source.component}\n`,
  );
  const apt = (what, ...words) => runOrThrow(what, 'apt-get', [...aptOptions(state), ...words], { cwd: packages });
  say(`asking ${mirror} for Debian ${source.suite}'s packages`);
  await apt(`Reading Debian ${source.suite}'s package list`, 'update', '-o', 'APT::Update::Error-Mode=any');
  say(`downloading about ${recipe.downloadMegabytes} MB`);
  await apt("Downloading Debian's packages", 'download', ...recipe.packages, 'patchelf');
}

/** apt with its own state, so that it neither reads nor changes the system's. */
function aptOptions(state) {
  const settings = {
    'Dir::State': state,
    'Dir::State::status': `${state}/status`,
    'Dir::State::Lists': `${state}/lists`,
    'Dir::Cache': `${state}/cache`,
    'Dir::Etc::SourceList': `${state}/sources.list`,
    'Dir::Etc::SourceParts': '-',
    'Dir::Etc::Preferences': '-',
    'Dir::Etc::PreferencesParts': '-',
    'APT::Install-Recommends': 'false',
    'APT::Sandbox::User': os.userInfo().username,
    'APT::Get::AllowUnauthenticated': 'false',
    'Acquire::Retries': '3',
    'Acquire::Languages': 'none',
    'Debug::NoLocking': 'true',
  };
  return ['-q', ...Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`])];
}

async function unpackPackages(staging, omit) {
  const folder = path.join(staging, 'packages');
  const quote = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
  const excludes = omit.map((pattern) => `--exclude=${quote(pattern)}`).join(' ');
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.deb'))) {
    const file = path.join(folder, name);
    const script = `set -o pipefail; dpkg-deb --fsys-tarfile ${quote(file)} | tar -x -C ${quote(staging)} ${excludes}`;
    await runOrThrow(`Unpacking ${name}`, 'bash', ['-c', script]);
  }
  for (const spent of ['packages', 'apt']) rmSync(path.join(staging, spent), { recursive: true });
}
