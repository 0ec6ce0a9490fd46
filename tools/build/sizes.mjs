import { readFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { SetupError } from '../lib/run.mjs';

/** What one page may load of the package, each file compressed as a web server would. */
export const kPageLimitBytes = 220_000;

/** What `npm install` may download: the package as it is packed. */
export const kTarballLimitBytes = 1_800_000;

const kPackage = 'browser.js';

/** What a page loads, by the backend that it comes to have. Threads load their glue again, from the cache. */
const kPages = {
  threads: [kPackage, 'wasm/arrowquant-threads.js', 'wasm/arrowquant-threads.wasm'],
  workers: [kPackage, 'wasm/arrowquant-single.js', 'wasm/arrowquant-single.wasm'],
  single: [kPackage, 'wasm/arrowquant-single.js', 'wasm/arrowquant-single.wasm'],
};

/**
 * The files that a page loads with each backend, from a package folder (dist/ or one like it).
 *
 * @returns {{backend: string, files: {name: string, bytes: number, gzipBytes: number}[], gzipBytes: number}[]}
 */
export function measurePages(dist) {
  return Object.entries(kPages).map(([backend, names]) => {
    const files = [...chunksOf(dist, kPackage), ...names].map((name) => measureFile(dist, name));
    return { backend, files, gzipBytes: files.reduce((sum, { gzipBytes }) => sum + gzipBytes, 0) };
  });
}

/** What a module and its imports import before it runs. */
function chunksOf(dist, name) {
  const found = new Set([name]);
  // A set that grows while it is gone through is gone through to its end.
  for (const one of found) {
    const text = readFileSync(path.join(dist, one), 'utf8');
    for (const [, address] of text.matchAll(/\b(?:from|import)\s*"(\.[^"]+)"/g)) {
      found.add(path.posix.join(path.posix.dirname(one), address));
    }
  }
  return [...found].filter((one) => one !== name);
}

function measureFile(dist, name) {
  const content = readFileSync(path.join(dist, name));
  return { name, bytes: content.length, gzipBytes: gzipSync(content, { level: 9 }).length };
}

/** @throws {SetupError} when a page loads more than it may */
export function checkSizes(dist) {
  const pages = measurePages(dist);
  const large = pages.filter(({ gzipBytes }) => gzipBytes > kPageLimitBytes);
  if (large.length === 0) return pages;
  const backends = large.map(({ backend }) => backend).join(' and ');
  throw new SetupError(
    `A page loads more than ${kPageLimitBytes} bytes, gzipped, with ${backends}. Find what has grown:\n${sizeTable(pages)}`,
  );
}

export function sizeTable(pages) {
  const line = (name, bytes, gzipBytes) =>
    `  ${name.padEnd(36)}${String(bytes).padStart(9)}${String(gzipBytes).padStart(9)}`;
  const files = new Map(pages.flatMap((page) => page.files.map((file) => [file.name, file])));
  return [
    line('file', 'bytes', 'gzip'),
    ...[...files.values()].map(({ name, bytes, gzipBytes }) => line(name, bytes, gzipBytes)),
    ...pages.map(({ backend, gzipBytes }) => line(`a page with ${backend}`, '', gzipBytes)),
    line('the most that a page may load', '', kPageLimitBytes),
  ].join('\n');
}
