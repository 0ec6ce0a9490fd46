import { readFile } from 'node:fs/promises';
import { shownUrl } from '../../endpoints.js';
import { QuantizeError } from '../../errors.js';
import { codeOf, reasonOf } from '../failures.js';

/** What to do where the package's files are not beside its code. */
export const ABOUT_BUNDLES =
  'a bundle for Node has to leave the package out (Next: serverExternalPackages: ["arrowquant"], esbuild: ' +
  '--packages=external, webpack: externals), or gets the addresses of its files as wasmUrl and workerUrl';

/** Compiles the file at `url`. Rejects with `startup_failed` where there is none, or something else. */
export async function compileAt(url: URL, signal: AbortSignal): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(new Uint8Array(await bytesAt(url, signal)));
  } catch (cause) {
    const place = url.protocol === 'file:' ? url.pathname : shownUrl(url).slice(0, 200);
    // webpack makes paths of a site out of the addresses of files.
    const isBundled = codeOf(cause) === 'ENOENT' || !URL.canParse(url.href);
    const advice = isBundled ? `; ${ABOUT_BUNDLES}` : '';
    // Some runtimes repeat the address, whose query may be a key.
    const reason = reasonOf(cause).replaceAll(url.href, place);
    throw new QuantizeError('startup_failed', { detail: `cannot read ${place}: ${reason}${advice}`, cause });
  }
}

async function bytesAt(url: URL, signal: AbortSignal): Promise<ArrayBuffer | Uint8Array> {
  if (url.protocol === 'file:') return readFile(url);
  const response = await fetch(url, { signal });
  if (!response.ok) throw new Error(`it was answered with ${String(response.status)} ${response.statusText}`.trim());
  return response.arrayBuffer();
}
