/**
 * In the place of `#runtime` and of every `import()` in bundles that share chunks: their entries say where they run, and how
 * parts are loaded. Chunks thus import nothing but chunks, and what is only imported statically has no `import()` in it.
 */

import type { Runtime } from './types.js';

/** How parts are loaded, by the names of their modules. */
export type Parts = Readonly<Record<string, () => Promise<unknown>>>;

const loaders = new Map<string, () => Promise<unknown>>();

/** What the entry has given. */
export const runtime = {} as Runtime;

/** Of several entries in one program, the last one counts. */
export function provide(own: Runtime, parts: Parts): void {
  Object.assign(runtime, own);
  for (const [name, load] of Object.entries(parts)) loaders.set(name, load);
}

/** In the place of `import()`. */
export function importPart(name: string): Promise<unknown> {
  const load = loaders.get(name);
  return load === undefined ? Promise.reject(new Error(`${name} is not in this bundle`)) : load();
}
