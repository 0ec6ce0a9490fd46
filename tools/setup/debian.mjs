import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync, renameSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { SetupError, run, runOrThrow } from '../lib/run.mjs';
import { debianMirror } from './mirror.mjs';

const kLibraries = 'usr/lib/x86_64-linux-gnu';
const kLlvm = 'usr/lib/llvm-19';
const kLoader = `${kLibraries}/ld-linux-x86-64.so.2`;

/** What emcc starts; the other programs of these packages are left as they are, and would not run. */
const kPrograms = [
  ...['clang', 'lld', 'llvm-ar', 'llvm-nm', 'llvm-objcopy', 'llvm-dwarfdump'].map((name) => `${kLlvm}/bin/${name}`),
  ...['wasm-opt', 'wasm-emscripten-finalize', 'wasm-metadce', 'wasm-split', 'wasm2js', 'wasm-as', 'wasm-dis'].map(
    (name) => `usr/bin/${name}`,
  ),
];

/**
 * Makes `target` an Emscripten taken from Debian's archive. Needs no rights and touches nothing but `target` and its
 * neighbours of the same name; apt checks the signatures.
 *
 * @param {string} target does not exist yet; it appears only when complete
 * @param {object} source the lock's `debian`
 * @param {(text: string) => void} say
 */
export async function unpackFromDebian(target, source, say) {
  const keyring = findKeyring(source);
  const staging = `${target}.new`;
  removeLeftovers(target);
  mkdirSync(staging, { recursive: true });
  try {
    await downloadPackages(staging, source, keyring, say);
    say('unpacking');
    await unpackPackages(staging, source.omit);
    await patchPrograms(staging, target);
    writeConfig(staging, target);
    renameSync(staging, target);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

function findKeyring({ suite }) {
  const folder = '/usr/share/keyrings';
  const file = ['gpg', 'pgp'].map((end) => `${folder}/debian-archive-keyring.${end}`).find((name) => existsSync(name));
  if (file !== undefined) return file;
  throw new SetupError(
    `The keys that Debian ${suite}'s packages are signed with are missing (${folder}/debian-archive-keyring.gpg). ` +
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

async function downloadPackages(staging, source, keyring, say) {
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
  say('downloading about 320 MB');
  await apt('Downloading Emscripten', 'download', ...source.packages);
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

/** Has the programs use the unpacked C library and not the host's, which may be older. */
async function patchPrograms(staging, target) {
  const libraries = [kLibraries, `${kLlvm}/lib`];
  const inStaging = (name) => path.join(staging, name);
  // patchelf itself needs the newer C library, and isn't patched: the loader is told where it is.
  const loader = [
    inStaging(kLoader),
    '--library-path',
    libraries.map(inStaging).join(':'),
    inStaging('usr/bin/patchelf'),
  ];
  const runPath = libraries.map((folder) => path.join(target, folder)).join(':');
  const flags = ['--set-interpreter', path.join(target, kLoader), '--force-rpath', '--set-rpath', runPath];
  const programs = kPrograms.map(inStaging);
  const [command, ...parameters] = loader;
  await runOrThrow('Adapting the programs', command, [...parameters, ...flags, ...programs]);
}

function writeConfig(staging, target) {
  const at = (name) => JSON.stringify(path.join(target, name));
  const config = [
    `LLVM_ROOT = ${at(`${kLlvm}/bin`)}`,
    `BINARYEN_ROOT = ${at('usr')}`,
    `CACHE = ${at('usr/share/emscripten/cache')}`,
    `NODE_JS = ${JSON.stringify(process.execPath)}`,
  ];
  writeFileSync(path.join(staging, 'emscripten.config'), `${config.join('\n')}\n`);
  // Emscripten's own scripts look for acorn in a node_modules folder beside them.
  const modules = path.join(staging, 'usr/share/emscripten/node_modules');
  mkdirSync(modules, { recursive: true });
  symlinkSync('../../nodejs/acorn', path.join(modules, 'acorn'));
}

/** Runs the unpacked compiler once. */
export async function provesToRun(target) {
  const result = await run(path.join(target, `${kLlvm}/bin/clang`), ['--version']).catch(() => ({ code: 1 }));
  return result.code === 0;
}
