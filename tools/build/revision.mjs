import { createHash } from 'node:crypto';
import { appendFileSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { inProject } from '../lib/paths.mjs';

/** Fills in what js/convert/revision.ts says: the version, a digest of all modules and wasm files in `staging`, the compiler. */
export function writeRevision(staging) {
  const { version } = JSON.parse(readFileSync(inProject('package.json'), 'utf8'));
  const code = readdirSync(staging, { recursive: true }).filter((name) => /\.(m?js|wasm)$/.test(name));
  const digest = createHash('sha256');
  for (const name of code.sort()) digest.update(readFileSync(path.join(staging, name)));
  const revision = `${version}+${digest.digest('hex').slice(0, 16)}`;
  const { version: emscripten } = JSON.parse(readFileSync(inProject('emsdk.lock'), 'utf8'));
  const values = Object.entries({ REVISION: revision, EMSCRIPTEN: emscripten });
  const text = values.map(([name, value]) => `export const ${name} = '${value}';\n`).join('');
  writeFileSync(path.join(staging, 'convert/revision.js'), text);
}

const kFlavours = ['threads', 'single'];

/**
 * Marks the wasm files in `staging` as those of one build, by a custom section of theirs, and tells js/wasm/build.ts: a
 * module works with its own glue only.
 */
export function markBuild(staging) {
  const inWasm = (name) => path.join(staging, 'wasm', name);
  const digest = createHash('sha256');
  for (const flavour of kFlavours) {
    for (const end of ['js', 'wasm']) digest.update(readFileSync(inWasm(`arrowquant-${flavour}.${end}`)));
  }
  const build = digest.digest('hex').slice(0, 16);
  const section = /BUILD_SECTION = ['"]([^'"]+)['"]/.exec(readFileSync(inWasm('build.js'), 'utf8'))[1];
  for (const flavour of kFlavours) appendFileSync(inWasm(`arrowquant-${flavour}.wasm`), customSection(section, build));
  writeFileSync(inWasm('build.js'), `export const BUILD = '${build}';\nexport const BUILD_SECTION = '${section}';\n`);
}

/** Of the binary format: the kind 0, the length of what follows, the name's length, name, content. All are short. */
const customSection = (name, content) =>
  Buffer.from([0, 1 + name.length + content.length, name.length, ...Buffer.from(name + content, 'latin1')]);
