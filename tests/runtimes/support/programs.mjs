import { fileURLToPath } from 'node:url';

/** A file of an installed runtime. */
export const installed = (file) => fileURLToPath(new URL(`../node_modules/${file}`, import.meta.url));

/** The versions of Node besides the one that runs the tests, by title and npm package. */
export const kNodes = [
  ['Node 22', 'node22'],
  ['Node 24', 'node24'],
  ['Node 26', 'node26'],
];
