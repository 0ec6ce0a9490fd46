import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const OURS = fileURLToPath(new URL('../../dist', import.meta.url));

/** How the names of an older build's cases begin. */
export const BEFORE = 'before: ';

/**
 * The builds of the package to measure: this one, and before it the one in `against`, the folder of another dist, if there
 * is one. Each has its exports, and a `label` that its cases' names begin with.
 */
export async function openPackages(against) {
  const builds = [{ label: '', folder: OURS }];
  if (against !== undefined) builds.unshift({ label: BEFORE, folder: path.resolve(against) });
  return Promise.all(builds.map(async (build) => ({ ...build, ...(await importFrom(build.folder, 'index.js')) })));
}

/**
 * One of the modules inside a build, by its file's name: it may lie elsewhere in another version. What is shipped is bundled;
 * the modules lie beside it, in build/modules, and in older versions in the folder itself.
 */
export function importInternal({ folder }, name) {
  for (const place of [folder, path.join(folder, '../build/modules')]) {
    const entries = existsSync(place) ? readdirSync(place, { recursive: true }) : [];
    const found = entries.find((entry) => path.basename(entry) === name);
    if (found !== undefined) return importFrom(place, found);
  }
  throw new Error(`${folder} has no ${name}`);
}

const importFrom = (folder, name) => import(pathToFileURL(path.join(folder, name)).href);

/**
 * Has `work` use a quantizer of each build, with two threads unless `options` say otherwise.
 *
 * @param {(quantizers: {label: string, quantizer: import('arrowquant').ArrowQuant}[]) => Promise<T>} work
 * @template T
 */
export async function withQuantizers(against, work, options = { threads: 2 }) {
  const builds = await openPackages(against);
  const quantizers = await Promise.all(
    builds.map(async ({ label, ArrowQuant }) => ({ label, quantizer: await ArrowQuant.create(options) })),
  );
  try {
    return await work(quantizers);
  } finally {
    await Promise.all(quantizers.map(({ quantizer }) => quantizer.dispose()));
  }
}

/** For each case the ratio to the older build's case of the same name: how many times as fast this one is. */
export function besideBefore(results) {
  return results.map((result) => {
    const before = results.find(({ name }) => name === `${BEFORE}${result.name}`);
    return { ...result, ratio: before === undefined ? null : before.median / result.median };
  });
}
