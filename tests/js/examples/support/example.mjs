import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { inProject } from '../../../../tools/lib/paths.mjs';

/**
 * A copy of an example with the package in its node_modules as `npm install` puts it there: a link to the project.
 * Electron, which the example names besides, is not installed.
 */
export function installExample(name) {
  const folder = mkdtempSync(path.join(tmpdir(), `arrowquant-${name}-`));
  const modules = inProject('examples', name, 'node_modules');
  cpSync(inProject('examples', name), folder, { recursive: true, filter: (source) => source !== modules });
  mkdirSync(path.join(folder, 'node_modules'));
  symlinkSync(inProject(), path.join(folder, 'node_modules/arrowquant'), 'junction');
  return {
    folder,
    path: (file) => path.join(folder, file),
    url: (file) => pathToFileURL(path.join(folder, file)),
    import: (file) => import(pathToFileURL(path.join(folder, file)).href),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
