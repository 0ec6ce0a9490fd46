import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { unpackedFolder } from './unpacked.mjs';

/** The folders of unpacked packages that this version of the project does not use; another clone may. */
export function oldTrees() {
  return ['emscripten', 'programs'].flatMap((kind) => {
    const current = unpackedFolder(kind);
    const parent = path.dirname(current);
    const entries = existsSync(parent) ? readdirSync(parent, { withFileTypes: true }) : [];
    const trees = entries.filter((entry) => entry.isDirectory() && entry.name.startsWith(`${kind}-`));
    const folders = trees.map(({ name }) => path.join(parent, name));
    // Without a proof it is being unpacked.
    return folders.filter((folder) => folder !== current && existsSync(path.join(folder, 'proven')));
  });
}
