import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';

/** The GGUF files of a folder: the hash of each by its name. */
export function filesOf(folder) {
  const names = readdirSync(folder).filter((name) => name.endsWith('.gguf'));
  const hashOf = (name) =>
    createHash('sha256')
      .update(readFileSync(path.join(folder, name)))
      .digest('hex');
  return new Map(names.sort().map((name) => [name, hashOf(name)]));
}
