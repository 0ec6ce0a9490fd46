import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { inProject } from '../lib/paths.mjs';

/** Fills in what js/convert/revision.ts says: the version, and a digest of all modules and wasm files in `staging`. */
export function writeRevision(staging) {
  const { version } = JSON.parse(readFileSync(inProject('package.json'), 'utf8'));
  const code = readdirSync(staging, { recursive: true }).filter((name) => /\.(m?js|wasm)$/.test(name));
  const digest = createHash('sha256');
  for (const name of code.sort()) digest.update(readFileSync(path.join(staging, name)));
  const revision = `${version}+${digest.digest('hex').slice(0, 16)}`;
  writeFileSync(path.join(staging, 'convert/revision.js'), `export const REVISION = '${revision}';\n`);
}
