import type { RawModuleFactory } from './module.js';

/** A build of the module: with threads and shared memory, or without. */
export type Flavour = 'threads' | 'single';

/** Literal specifiers: bundlers have to find them. */
export const GLUES: Readonly<Record<Flavour, () => Promise<{ readonly default: RawModuleFactory }>>> = {
  threads: () => import('./arrowquant-threads.js'),
  single: () => import('./arrowquant-single.js'),
};
