import { existsSync, readFileSync } from 'node:fs';
import { SetupError, which } from '../lib/run.mjs';

/** Programs that the project asks of the host: any of `names` will do, `package` is what apt calls it. */
const kPrograms = {
  python: { names: ['python3'], package: 'python3', use: 'Emscripten is written in it' },
  cmake: { names: ['cmake'], package: 'cmake', use: 'it directs the C++ builds' },
  generator: { names: ['ninja', 'make'], package: 'ninja-build', use: 'it runs the C++ builds' },
  compiler: { names: ['g++', 'clang++'], package: 'g++', use: 'it builds the native tests' },
  clangFormat: { names: ['clang-format-14', 'clang-format'], package: 'clang-format', use: 'it checks the C++ layout' },
  clangTidy: { names: ['clang-tidy-14', 'clang-tidy'], package: 'clang-tidy', use: 'it reads the C++ sources' },
};

export function checkNode() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < 20) throw new SetupError(`ArrowQuant needs Node 20 or newer; this is ${process.version}.`);
}

/**
 * The full paths of host programs, by the keys of `kPrograms`.
 *
 * @throws {SetupError} naming every missing one and the apt package that has it
 */
export function findPrograms(keys) {
  const found = {};
  const missing = [];
  for (const key of keys) {
    const { names, package: aptPackage, use } = kPrograms[key];
    found[key] = names.map((name) => which(name)).find((file) => file !== null);
    if (found[key] === undefined) missing.push({ name: names.join(' or '), aptPackage, use });
  }
  if (missing.length > 0) {
    const sentences = missing.map(({ name, use }) => `${name} is missing (${use}).`);
    const packages = missing.map(({ aptPackage }) => aptPackage).join(' ');
    throw new SetupError(`${sentences.join(' ')} On Debian or Ubuntu: sudo apt-get install ${packages}`);
  }
  return found;
}

/** Whether this is an x86-64 Linux that has apt, and which one. */
export function debianFlavour() {
  if (process.platform !== 'linux' || process.arch !== 'x64' || !which('apt-get') || !which('dpkg-deb')) return null;
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  const id = /^ID="?([^"\n]*)/m.exec(release)?.[1] ?? '';
  const like = /^ID_LIKE="?([^"\n]*)/m.exec(release)?.[1] ?? '';
  if (id === 'debian') return 'debian';
  return `${id} ${like}`.includes('ubuntu') || like.includes('debian') ? 'ubuntu' : null;
}
