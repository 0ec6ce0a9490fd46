import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import { contentSecurityPolicy } from '../../web-demo/policy.mjs';

const kHost = '127.0.0.1';

const kTypes = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
};

/** What every response gets: workers inherit nothing from the page that starts them. */
const headersFor = (hosts) => ({
  'Content-Security-Policy': `${contentSecurityPolicy(hosts)}; form-action 'none'; frame-ancestors 'none'`,
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
});

/** With these, browsers let threads share memory. */
const kIsolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

/** What a host should send with every file of the demo that was built to read from `hosts`. */
export const demoHeaders = (hosts) => ({ ...headersFor(hosts), ...kIsolation });

/**
 * Serves the built demo to this machine.
 *
 * @param {string} root folder of the site
 * @param {object} [options]
 * @param {number} [options.port] 0 for any
 * @param {boolean} [options.fallBack] whether any other port does when that one is taken
 * @param {readonly string[]} [options.hosts] what the site was built to read from
 * @param {boolean} [options.bare] without any header that a plain host would not send, and so without isolation
 * @returns {Promise<{url: string, close: () => Promise<void>}>}
 */
export async function serveDemo(root, { port = 0, fallBack = false, hosts = [], bare = false } = {}) {
  const headers = bare ? {} : demoHeaders(hosts);
  const server = createServer((request, response) => {
    answer(root, request, response, headers).catch(() => refuse(response, 500, 'The file could not be read.'));
  });
  await listen(server, port, fallBack);
  return {
    url: `http://${kHost}:${server.address().port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  };
}

async function listen(server, port, fallBack) {
  const attempt = (wanted) =>
    new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(wanted, kHost, () => {
        server.off('error', reject);
        resolve();
      });
    });
  try {
    await attempt(port);
  } catch (error) {
    if (!fallBack || error.code !== 'EADDRINUSE') throw error;
    await attempt(0);
  }
}

async function answer(root, request, response, headers) {
  if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(response, 405, 'Only GET and HEAD.');
  const file = fileOf(root, request.url);
  const about = file === null ? null : await stat(file).catch(() => null);
  if (about === null || !about.isFile()) return refuse(response, 404, 'There is no such file.');
  // What is in assets/ has its digest in its name.
  const isForever = path.basename(path.dirname(file)) === 'assets';
  response.writeHead(200, {
    'Content-Type': kTypes[path.extname(file)] ?? 'application/octet-stream',
    'Content-Length': about.size,
    'Cache-Control': isForever ? 'public, max-age=31536000, immutable' : 'no-cache',
    ...headers,
  });
  if (request.method === 'HEAD') return response.end();
  return createReadStream(file)
    .on('error', () => response.destroy())
    .pipe(response);
}

/** Null for what is no path, or leads out of `root`. */
function fileOf(root, url) {
  try {
    const pathname = decodeURIComponent(new URL(url, 'http://localhost').pathname);
    const file = path.join(root, pathname.endsWith('/') ? `${pathname}index.html` : pathname);
    return file.startsWith(root + path.sep) && !file.includes('\0') ? file : null;
  } catch {
    return null;
  }
}

function refuse(response, status, text) {
  if (!response.headersSent) response.writeHead(status, { 'Content-Type': 'text/plain' });
  response.end(text);
}
