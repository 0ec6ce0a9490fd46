import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { SetupError } from '../lib/run.mjs';

/** All wasm and glue together, compressed as a web server would: what a page costs at most. */
export const kSizeLimit = 220_000;

/** Sizes of the wasm files and glues in a package folder (dist/ or one like it). */
export function measureSizes(dist) {
  const folder = path.join(dist, 'wasm');
  const names = readdirSync(folder).filter((name) => /^arrowquant-.*\.(wasm|mjs)$/.test(name));
  return names.sort().map((name) => {
    const content = readFileSync(path.join(folder, name));
    return { name, bytes: content.length, gzip: gzipSync(content, { level: 9 }).length };
  });
}

export function totalGzip(sizes) {
  return sizes.reduce((sum, { gzip }) => sum + gzip, 0);
}

/** @throws {SetupError} when files are missing or together too large */
export function checkSizes(dist) {
  const sizes = measureSizes(dist);
  if (sizes.length !== 6) throw new SetupError(`${dist}/wasm should hold 2 wasm files and 4 glues; it holds ${sizes.length}.`);
  if (totalGzip(sizes) < kSizeLimit) return sizes;
  throw new SetupError(`wasm and glue are ${totalGzip(sizes)} bytes gzipped; the limit is ${kSizeLimit}.\n${sizeTable(sizes)}`);
}

export function sizeTable(sizes) {
  const line = (name, bytes, gzip) => `  ${name.padEnd(32)}${String(bytes).padStart(9)}${String(gzip).padStart(9)}`;
  return [
    line('file', 'bytes', 'gzip'),
    ...sizes.map(({ name, bytes, gzip }) => line(name, bytes, gzip)),
    line(`together (limit ${kSizeLimit})`, '', totalGzip(sizes)),
  ].join('\n');
}
