import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { inProject } from '../lib/paths.mjs';

/** A digest of names, sizes and times of the files under `inputs` (paths from the project's folder), and of `settings`. */
export function stampOf(inputs, settings = '') {
  const hash = createHash('sha256').update(settings);
  for (const input of inputs) {
    for (const file of filesUnder(inProject(input))) {
      const { size, mtimeMs } = statSync(file);
      hash.update(`${file}\0${size}\0${mtimeMs}\n`);
    }
  }
  return hash.digest('hex');
}

export function isFresh(stage, inputs, settings) {
  const file = stampFile(stage);
  return existsSync(file) && readFileSync(file, 'utf8') === stampOf(inputs, settings);
}

export function markFresh(stage, stamp) {
  mkdirSync(path.dirname(stampFile(stage)), { recursive: true });
  writeFileSync(stampFile(stage), stamp);
}

function stampFile(stage) {
  return inProject('build/stamps', stage);
}

function filesUnder(start) {
  if (!existsSync(start)) return [];
  if (!statSync(start).isDirectory()) return [start];
  const names = readdirSync(start).sort();
  return names.flatMap((name) => filesUnder(path.join(start, name)));
}
