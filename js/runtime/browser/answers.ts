/** What servers and policies do to the package's own files, in words for who has to put it right. */

import { QuantizeError } from '../../errors.js';
import { policyFault } from '../../wasm/policy.js';

/** How wasm begins. */
const MAGIC = [0x00, 0x61, 0x73, 0x6d];

const DOCS = 'see docs/bundlers.md of the package';

export const startupFailed = (detail: string, cause?: unknown): QuantizeError =>
  new QuantizeError('startup_failed', { detail, cause });

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const isPage = (response: Response): boolean => /\bhtml\b/i.test(response.headers.get('content-type') ?? '');

/** An address in a text: those that hold the file itself are endless, and queries may be keys. */
const shownAddress = ({ protocol, origin, pathname, href }: URL): string =>
  protocol.startsWith('http') ? `${origin}${pathname}` : href.slice(0, 100);

/** The bytes that make sense of `what`. Rejects with a sentence about what came instead. */
async function fetchFile(url: URL, what: string, advice: string): Promise<Response> {
  const address = shownAddress(url);
  let response: Response;
  try {
    response = await fetch(url, { credentials: 'same-origin' });
  } catch (error) {
    const reasons = 'a Content-Security-Policy (connect-src) or a server without CORS headers may forbid it';
    throw startupFailed(`${what} could not be fetched from ${address} (${reason(error)}; ${reasons}); ${DOCS}`, error);
  }
  if (!response.ok) {
    const status = `${String(response.status)} ${response.statusText}`.trim();
    throw startupFailed(`${address} was answered with ${status} instead of ${what}; ${advice}; ${DOCS}`);
  }
  if (isPage(response)) {
    throw startupFailed(`${address} was answered with an HTML page instead of ${what}; ${advice}; ${DOCS}`);
  }
  return response;
}

/** Vite's development server moves the code of packages, but not what lies beside it. */
const adviceOn = ({ pathname }: URL, file: string, option: string): string =>
  pathname.includes('/.vite/')
    ? "add optimizeDeps: { exclude: ['arrowquant'] } to Vite's configuration"
    : `serve arrowquant/dist/${file} there, or pass ${option}, or use arrowquant/standalone`;

/** Compiles what `url` is answered with. `file` is what it should be, as it is called in the package. */
export async function compileFrom(url: URL, file: string): Promise<WebAssembly.Module> {
  const advice = adviceOn(url, `wasm/${file}`, 'its address as wasmUrl');
  const response = await fetchFile(url, 'the WebAssembly file', advice);
  const address = shownAddress(url);
  try {
    // Only this type may be compiled while it arrives.
    if (/^application\/wasm\b/i.test(response.headers.get('content-type') ?? '')) {
      return await WebAssembly.compileStreaming(response);
    }
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (MAGIC.some((byte, index) => bytes[index] !== byte)) {
      throw startupFailed(`what ${address} was answered with is no WebAssembly; ${advice}; ${DOCS}`);
    }
    return await WebAssembly.compile(bytes);
  } catch (error) {
    throw uncompiled(address, error);
  }
}

/** Why bytes that are there were not compiled. */
export function uncompiled(address: string, error: unknown): QuantizeError {
  if (error instanceof QuantizeError) return error;
  return policyFault(error) ?? startupFailed(`${address} could not be compiled (${reason(error)})`, error);
}

/** Why a script of the package, a worker's or a glue, did not run: browsers do not tell. */
export async function scriptFailure(url: URL, file: string): Promise<QuantizeError> {
  const advice = adviceOn(url, file, 'the address of arrowquant/dist/worker.js as workerUrl');
  try {
    const response = await fetchFile(url, 'the script', advice);
    const type = response.headers.get('content-type') ?? 'no type';
    if (!/javascript|ecmascript/i.test(type)) {
      return startupFailed(`${shownAddress(url)} was sent as ${type}, scripts have to be text/javascript; ${DOCS}`);
    }
  } catch (error) {
    return error instanceof QuantizeError ? error : startupFailed(reason(error), error);
  }
  const reasons =
    'a Content-Security-Policy (worker-src) may forbid it, or its response lacks the COOP and COEP headers';
  return startupFailed(`the script ${shownAddress(url)} could not be started; ${reasons}; ${DOCS}`);
}
