#!/usr/bin/env node
/**
 * Serves the files of a folder over HTTP, with ranges and ETags.
 *
 *   node serve.mjs [FOLDER] [PORT]
 */
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdir, realpath, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { makeSampleModel } from './sample-model.mjs';

/** Resolves to `{ url, close() }`; `onRequest` gets every request and response before they are dealt with. */
export async function serve(folder, { port = 0, host = '127.0.0.1', onRequest } = {}) {
  const root = await realpath(folder);
  const server = createServer((request, response) => {
    onRequest?.(request, response);
    // The connection ends in the middle when something fails after the headers are out.
    answer(root, request, response).catch(() => response.destroy());
  });
  server.listen(port, host);
  await once(server, 'listening');
  return {
    url: `http://${host}:${server.address().port}/`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(root, request, response) {
  const { method, headers } = request;
  if (method !== 'GET' && method !== 'HEAD') return end(response, 405, { Allow: 'GET, HEAD' });
  const file = await fileFor(root, request.url);
  if (file === null) return end(response, 404);
  const { size, mtimeMs, mtime } = file;
  const about = {
    ETag: `"${size.toString(36)}-${Math.trunc(mtimeMs).toString(36)}"`,
    'Last-Modified': mtime.toUTCString(),
    'Accept-Ranges': 'bytes',
    'Content-Type': 'application/octet-stream',
  };
  if (headers['if-none-match'] === about.ETag) return end(response, 304, about);
  const range = rangeOf(headers, about, size);
  if (range === null) return end(response, 416, { ...about, 'Content-Range': `bytes */${size}` });
  const { first, last, isPart } = range;
  response.writeHead(isPart ? 206 : 200, {
    ...about,
    'Content-Length': last - first + 1,
    ...(isPart && { 'Content-Range': `bytes ${first}-${last}/${size}` }),
  });
  if (method === 'HEAD' || last < first) return response.end();
  return pipeline(createReadStream(file.path, { start: first, end: last }), response);
}

function end(response, status, headers = {}) {
  response.writeHead(status, headers);
  response.end();
}

/** Path, size and times of a regular file inside of the folder; null when the address does not lead to one. */
async function fileFor(root, address) {
  try {
    const name = decodeURIComponent(new URL(address, 'http://localhost').pathname);
    const found = await realpath(path.join(root, name));
    const about = await stat(found);
    if (!found.startsWith(`${root}${path.sep}`) || !about.isFile()) return null;
    return { path: found, size: about.size, mtimeMs: about.mtimeMs, mtime: about.mtime };
  } catch {
    return null;
  }
}

/** The first and the last byte to send; null when the range asked for is not there. Several ranges are not supported. */
function rangeOf({ range, 'if-range': condition }, { ETag: tag }, size) {
  const whole = { first: 0, last: size - 1, isPart: false };
  const match = /^bytes=(\d*)-(\d*)$/.exec(range ?? '');
  if (match === null || (match[1] === '' && match[2] === '') || (condition ?? tag) !== tag) return whole;
  const [from, to] = [match[1], match[2]];
  const first = from === '' ? Math.max(0, size - Number(to)) : Number(from);
  const last = from === '' || to === '' ? size - 1 : Math.min(size - 1, Number(to));
  return first > last ? null : { first, last, isPart: true };
}

async function main([folder = fileURLToPath(new URL('./models', import.meta.url)), port = '8080']) {
  await mkdir(folder, { recursive: true });
  const sample = await makeSampleModel(path.join(folder, 'sample.safetensors'));
  const { url } = await serve(folder, { port: Number(port) });
  console.log(`${url}${path.basename(sample)}`);
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await main(process.argv.slice(2));
}
