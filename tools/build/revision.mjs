import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
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
