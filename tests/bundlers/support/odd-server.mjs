import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import path from 'node:path';

const kPage = '<!doctype html><html lang="en"><head><link rel="icon" href="data:," /></head><body></body></html>';
const kTypes = { '.js': 'text/javascript', '.html': 'text/html', '.wasm': 'application/wasm' };

/**
 * Serves the package's files at the root of an origin of its own, beside an empty page (`/`), in the ways in which servers
 * do it wrong.
 *
 * @param {string} root the package's `dist`
 * @param {object} manners
 * @param {Record<string, string>} [manners.headers] of every response
 * @param {Record<string, string>} [manners.pageHeaders] of the page only, besides
 * @param {RegExp} [manners.page] paths that are answered with the page, as single-page applications answer all they do not have
 * @param {RegExp} [manners.missing] paths that are not there
 * @param {string[]} [manners.types] ends of names that the server knows a type for; default: all
 */
export async function startOddServer(root, manners = {}) {
  const { headers = {}, pageHeaders = {}, page = /^$/, missing = /^$/, types = Object.keys(kTypes) } = manners;
  const answerTo = async (pathname) => {
    if (pathname === '/') return [200, 'text/html', kPage];
    if (page.test(pathname)) return [200, 'text/html; charset=utf-8', kPage];
    const content = missing.test(pathname) ? null : await readFile(path.join(root, pathname)).catch(() => null);
    if (content === null) return [404, 'text/plain', 'not there'];
    const end = path.extname(pathname);
    return [200, types.includes(end) ? kTypes[end] : 'application/octet-stream', content];
  };
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    answerTo(pathname).then(([status, type, body]) => {
      const own = pathname === '/' ? { ...headers, ...pageHeaders } : headers;
      response.writeHead(status, { 'Content-Type': type, 'Cache-Control': 'no-store', ...own }).end(body);
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
