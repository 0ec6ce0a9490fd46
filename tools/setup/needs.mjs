import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { SetupError, which } from '../lib/run.mjs';
import { installPackages, kInstall } from './apt.mjs';
import { debianFlavour, kKeyrings } from './host.mjs';
import { ensureUnpacked, isUnpacked, unpackedFolder } from './unpacked.mjs';

/**
 * All that the project asks of a machine besides Node: any of the programs or files `any` will do, `package` is what apt
 * calls it. Those with `unpacks` can also be had without root; those that are `optional` are installed where that can be
 * done, and not asked for elsewhere.
 */
export const kNeeds = {
  python: { any: ['python3'], package: 'python3', use: 'Emscripten is written in it', unpacks: true },
  cmake: { any: ['cmake'], package: 'cmake', use: 'it directs the C++ builds', unpacks: true },
  generator: { any: ['ninja', 'make'], package: 'ninja-build', use: 'it runs the C++ builds', unpacks: true },
  keyring: { any: kKeyrings, package: 'debian-archive-keyring', use: "the keys of Debian's archive" },
  compiler: { any: ['g++', 'clang++'], package: 'g++', use: 'it builds the native tests' },
  googletest: {
    any: ['/usr/src/googletest/googletest/src/gtest-all.cc'],
    package: 'googletest',
    use: 'the C++ tests are written with it',
  },
  simde: {
    any: ['/usr', '/usr/local', '/opt/homebrew'].map((prefix) => `${prefix}/include/simde/wasm/simd128.h`),
    package: 'libsimde-dev',
    use: 'it is SIMD for the native tests',
  },
  cache: { any: ['ccache'], package: 'ccache', use: 'it keeps what was compiled for the next clone', optional: true },
  clangFormat: { any: ['clang-format-14', 'clang-format'], package: 'clang-format', use: 'it checks the C++ layout' },
  clangTidy: { any: ['clang-tidy-14', 'clang-tidy'], package: 'clang-tidy', use: 'it reads the C++ sources' },
  chromium: { any: ['/usr/bin/chromium'], package: 'chromium', use: 'the package and the demo are tested in it' },
  firefox: { any: ['/usr/bin/firefox-esr'], package: 'firefox-esr', use: 'the package is tested in it' },
  webkit: { any: ['/usr/bin/WebKitWebDriver'], package: 'webkit2gtk-driver', use: 'the package is tested in WebKit' },
  screen: { any: ['Xvfb'], package: 'xvfb', use: 'WebKit shows its window there' },
  fonts: {
    any: ['/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf'],
    package: 'fonts-dejavu-core',
    use: 'browsers write with it',
  },
  slurm: {
    any: ['/usr/sbin/slurmctld', 'slurmctld'],
    package: 'slurm-wlm',
    use: 'the example for clusters runs on it',
  },
  munge: { any: ['/usr/sbin/munged', 'munged'], package: 'munge', use: 'Slurm tells users apart by it' },
};

/** Names of `kNeeds` that a build for WebAssembly has. */
export const kBuildNeeds = ['python', 'cmake', 'generator'];
/** Names of `kNeeds` that a native build has. */
export const kNativeNeeds = ['cmake', 'generator', 'compiler', 'simde', 'googletest', 'cache'];

/** The full path of what satisfies the need `name`, or null. */
export function findNeed(name) {
  const found = kNeeds[name].any.map((one) => (path.isAbsolute(one) ? (existsSync(one) ? one : null) : which(one)));
  return found.find((file) => file !== null) ?? null;
}

/**
 * Sees to it that the machine has what is needed. What is missing is installed with apt-get by root, and by whom sudo
 * asks no password, and what is optional along with it. Others, and those whose apt-get fails, get it unpacked into their
 * cache, if that can be done with all that is missing.
 *
 * @param {Iterable<string>} names of `kNeeds`
 * @param {(text: string) => void} say
 * @param {'debian' | 'ubuntu' | null} flavour what `debianFlavour` says of the machine
 * @throws {SetupError} with everything that is missing, and what to type
 */
export async function ensureNeeds(names, say, flavour = debianFlavour()) {
  const absent = [...new Set(names)].filter((name) => findNeed(name) === null);
  const missing = absent.filter((name) => !kNeeds[name].optional);
  if (missing.length === 0) return;
  if (flavour === null) throw new SetupError(`${complaint(missing, flavour)}\nInstall it and try again.`);
  const unpacks = missing.every((name) => kNeeds[name].unpacks);
  const asRoot = waysToRoot();
  if (asRoot === null && !unpacks) {
    throw new SetupError(`${complaint(missing, flavour)}\nInstall it: sudo ${installLine(absent)}`);
  }
  if (asRoot !== null && (await installed(absent, missing, { asRoot, say, mayFail: unpacks }))) return;
  const titles = missing.map((name) => kNeeds[name].package);
  await ensureUnpacked('programs', `${titles.join(', ')}: missing on this machine, and`, say);
  Object.assign(process.env, lentPath(missing));
}

/** Installs what is absent, and returns whether all that is missing is there then; what is not `missing` may fail. */
async function installed(absent, missing, { asRoot, say, mayFail }) {
  const lacking = (names) => names.filter((name) => findNeed(name) === null);
  const optional = absent.filter((name) => !missing.includes(name));
  say(`installing ${packagesOf(absent).join(' ')} (apt-get)`);
  try {
    await installPackages(packagesOf(missing), packagesOf(optional), asRoot);
    const still = lacking(missing);
    if (still.length > 0) throw new SetupError(`${complaint(still)}\nthough apt-get has just installed it.`);
  } catch (error) {
    if (!mayFail) throw error;
    say(`${error.message}\ngoing on without apt-get`);
    return false;
  }
  const without = packagesOf(lacking(optional));
  if (without.length > 0) say(`going on without ${without.join(' ')}`);
  return true;
}

/** The `PATH` with the unpacked programs on it, where the machine lacks some of `names` and they are unpacked. */
export function lentPath(names) {
  const lacks = names.some((name) => findNeed(name) === null);
  if (!lacks || !isUnpacked('programs')) return {};
  return { PATH: `${path.join(unpackedFolder('programs'), 'usr/bin')}${path.delimiter}${process.env.PATH}` };
}

function complaint(missing, flavour = 'debian') {
  const called = ({ any, package: debian }) => (flavour === null ? any.join(' or ') : debian);
  const lines = missing.map((name) => `  ${called(kNeeds[name])}: ${kNeeds[name].use}`);
  return `This machine lacks\n${lines.join('\n')}`;
}

const packagesOf = (missing) => missing.map((name) => kNeeds[name].package);
const installLine = (missing) => `apt-get ${kInstall.join(' ')} ${packagesOf(missing).join(' ')}`;

/** What a command must begin with to have root's rights without a question, or null. */
function waysToRoot() {
  if (process.getuid() === 0) return [];
  if (which('sudo') === null) return null;
  try {
    execFileSync('sudo', ['-n', 'true'], { stdio: 'ignore', timeout: 2000 });
    return ['sudo', '-n'];
  } catch {
    return null;
  }
}
