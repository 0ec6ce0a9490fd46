import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Channels } from './channels.mjs';

const kProjectRoot = fileURLToPath(new URL('../../..', import.meta.url));

const kTypes = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.wasm': 'application/wasm',
};

/** What the README tells people to set for a page with threads. Workers inherit nothing: every response gets it. */
export const kIsolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

/** The policy that the package promises to live with. */
export const kStrictPolicy = {
  'Content-Security-Policy': "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' data:",
};

/**
 * A way to serve files. Its name is the first part of the path: `/isolated/dist/index.js` is `dist/index.js` of the
 * project with the headers of the site `isolated`.
 *
 * @typedef {object} Site
 * @property {string} [root] folder whose files are served; default: the project's
 * @property {(file: string) => boolean} [missing] what is not there though it is
 * @property {Record<string, string> | ((file: string) => Record<string, string>)} [headers] of every response, or by file
 */

/** @type {Record<string, Site>} */
export const kSites = {
  isolated: { headers: { ...kIsolation, ...kStrictPolicy } },
  credentialless: {
    headers: { ...kIsolation, ...kStrictPolicy, 'Cross-Origin-Embedder-Policy': 'credentialless' },
  },
  plain: { headers: kStrictPolicy },
  /** May read from everywhere. */
  connected: {
    headers: {
      ...kIsolation,
      'Content-Security-Policy': `${kStrictPolicy['Content-Security-Policy']}; connect-src *`,
    },
  },
};

/**
 * Serves files of the project on a free port of this machine, with ranges, and lets tests talk to pages (`channels`).
 *
 * @param {Record<string, Site>} sites besides `kSites`
 */
export async function startServer(sites = {}) {
  const channels = new Channels();
  const all = { ...kSites, ...sites };
  const server = createServer((request, response) => {
    answer(request, response, all, channels).catch((error) => {
      if (!response.headersSent) response.writeHead(500, { 'Content-Type': 'text/plain' });
      response.end(String(error));
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${server.address().port}`;
  return {
    origin,
    channels,
    /** Address of `file`, a path from the site's root. */
    url: (site, file) => `${origin}/${site}/${file}`,
    async close() {
      channels.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(request, response, sites, channels) {
  const { pathname } = new URL(request.url, 'http://localhost');
  const [, name, ...parts] = decodeURIComponent(pathname).split('/');
  const site = sites[name];
  const file = parts.join('/');
  if (site === undefined || parts.includes('..')) return refuse(response, 404, `${pathname} is not there`);
  const { headers = {}, missing = () => false } = site;
  if (missing(file)) return refuse(response, 404, `${pathname} is not there`);
  const own = { 'Cache-Control': 'no-store', ...(typeof headers === 'function' ? headers(file) : headers) };
  if (parts[0] === 'channel') return channels.answer(parts[1], request, response, own);
  return sendFile(request, response, path.join(site.root ?? kProjectRoot, file), own);
}

async function sendFile(request, response, wanted, headers) {
  const about = await stat(wanted).catch(() => null);
  const file = about?.isDirectory() ? path.join(wanted, 'index.html') : wanted;
  const size = (about?.isDirectory() ? await stat(file).catch(() => null) : about)?.size;
  if (size === undefined) return refuse(response, 404, `${request.url} is not there`);
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const begin = range === null ? 0 : Number(range[1]);
  const last = range === null || range[2] === '' ? size - 1 : Math.min(Number(range[2]), size - 1);
  if (range !== null && begin > last)
    return refuse(response, 416, 'no such bytes', { 'Content-Range': `bytes */${size}` });
  response.writeHead(range === null ? 200 : 206, {
    'Content-Type': kTypes[path.extname(file)] ?? 'application/octet-stream',
    'Content-Length': last + 1 - begin,
    'Accept-Ranges': 'bytes',
    ...(range !== null && { 'Content-Range': `bytes ${begin}-${last}/${size}` }),
    ...headers,
  });
  if (request.method === 'HEAD' || size === 0) return response.end();
  return createReadStream(file, { start: begin, end: last })
    .on('error', (error) => response.destroy(error))
    .pipe(response);
}

function refuse(response, status, text, headers = {}) {
  response.writeHead(status, { 'Content-Type': 'text/plain', ...headers }).end(text);
}
