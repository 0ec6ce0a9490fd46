/**
 * The app's own protocol, without Electron: which file an address means, and the headers that make the page isolated.
 * Files opened as file:// can have no headers, and without COOP and COEP a page has no threads.
 */
import { createHash } from 'node:crypto';
import { readFile, realpath } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const SCHEME = 'app';
/** Addresses of the app are `app://quantize/…`. */
export const ORIGIN = `${SCHEME}://quantize`;

/** What is not listed is not served. */
const MIME_TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};

const require = createRequire(import.meta.url);

/** Folders by the beginning of the addresses that lead into them; the first that fits counts. */
export const MOUNTS = [
  {
    address: '/node_modules/arrowquant/dist/',
    folder: path.join(path.dirname(require.resolve('arrowquant/package.json')), 'dist'),
  },
  { address: '/', folder: fileURLToPath(new URL('./renderer', import.meta.url)) },
];

/**
 * The file that the path of an address means: `{ file, folder, type }`, with the folder that it must lie in and its MIME
 * type; null when there is none, or when the path tries to leave the folder. Does not look at the disk.
 */
export function resolveAddress(pathname, mounts = MOUNTS) {
  const decoded = decode(pathname === '/' ? '/index.html' : pathname);
  // Windows takes backslashes for separators, and colons for drives and streams.
  if (decoded === null || !decoded.startsWith('/') || /[\0\\:]/.test(decoded)) return null;
  const mount = mounts.find(({ address }) => decoded.startsWith(address));
  const type = MIME_TYPES[path.posix.extname(decoded)];
  if (mount === undefined || type === undefined) return null;
  const segments = decoded.slice(mount.address.length).split('/');
  if (segments.some((segment) => ['', '.', '..'].includes(segment))) return null;
  return { file: path.join(mount.folder, ...segments), folder: mount.folder, type };
}

function decode(pathname) {
  try {
    return decodeURIComponent(pathname);
  } catch {
    return null;
  }
}

/** Headers of every answer. Workers obey those of their own script, so that these are not for pages only. */
export function headersFor(type, scriptHashes) {
  return {
    'Content-Type': type,
    'Content-Security-Policy': [
      "default-src 'none'",
      // WebAssembly needs 'wasm-unsafe-eval'; the hashes are those of the page's import map.
      ["script-src 'self' 'wasm-unsafe-eval'", ...scriptHashes].join(' '),
      "worker-src 'self'",
      "connect-src 'self'",
      "style-src 'self'",
      "img-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Embedder-Policy': 'require-corp',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': 'no-cache',
  };
}

/** The CSP's word for each import map of a page: they have to be inline, and inline scripts are forbidden otherwise. */
export function importMapHashes(html) {
  return [...html.matchAll(/<script type="importmap">([^]*?)<\/script>/g)].map(
    ([, text]) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`,
  );
}

/** Answers a request, as `protocol.handle` wants it. Never rejects. */
export async function respond({ method, url }, mounts = MOUNTS) {
  if (method !== 'GET' && method !== 'HEAD') return refusal(405, { Allow: 'GET, HEAD' });
  const found = resolveAddress(new URL(url).pathname, mounts);
  if (found === null) return refusal(404);
  try {
    const [file, folder] = await Promise.all([realpath(found.file), realpath(found.folder)]);
    // A link in the folder may lead out of it.
    if (!file.startsWith(`${folder}${path.sep}`)) return refusal(404);
    const contents = await readFile(file);
    const hashes = found.type.startsWith('text/html') ? importMapHashes(contents.toString('utf8')) : [];
    return new Response(method === 'HEAD' ? null : contents, { headers: headersFor(found.type, hashes) });
  } catch {
    return refusal(404);
  }
}

function refusal(status, headers = {}) {
  return new Response(null, { status, headers: { ...headersFor('text/plain; charset=utf-8', []), ...headers } });
}
