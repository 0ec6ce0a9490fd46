import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { inProject } from './paths.mjs';

const folder = () => path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'arrowquant/verdicts');

/** A digest of `parts`, texts. */
export function digestOf(parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}\0${part}`);
  return hash.digest('hex');
}

/** Whether a check that read nothing but what `digest` is of had no objections, in this clone or in another. */
export function isKnownGood(digest) {
  return existsSync(path.join(folder(), digest));
}

/** A cache that cannot be written costs time, and nothing else. */
export function rememberGood(digest) {
  try {
    mkdirSync(folder(), { recursive: true });
    writeFileSync(path.join(folder(), digest), '');
  } catch {
    return;
  }
}

/** The texts of a C++ source and of all that it includes from `src`, directly or not, each once. */
export function textsOf(file, seen = new Map()) {
  if (seen.has(file) || !existsSync(file)) return [];
  const text = readFileSync(file, 'utf8');
  seen.set(file, text);
  for (const [, name] of text.matchAll(/^\s*#\s*include\s+"([^"]+)"/gm)) textsOf(inProject('src', name), seen);
  return [...seen.values()];
}
