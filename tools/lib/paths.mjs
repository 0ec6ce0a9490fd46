import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's folder. */
export const projectRoot = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/** Absolute path of something in the project. */
export function inProject(...parts) {
  return path.join(projectRoot, ...parts);
}

/** `file` as one would type it from the project's folder. */
export function shown(file) {
  const relative = path.relative(projectRoot, file);
  return relative.startsWith('..') ? file : relative;
}
