/** What servers and policies do to the package's own files, in words for who has to put it right. */

import { reasonOf } from '../failures.js';
import { shownUrl } from '../../endpoints.js';
import { QuantizeError } from '../../errors.js';
import { policyFault } from '../../wasm/policy.js';

/** How wasm begins. */
const MAGIC = [0x00, 0x61, 0x73, 0x6d];

const DOCS = 'see docs/bundlers.md of the package';

export const startupFailed = (detail: string, cause?: unknown): QuantizeError =>
  new QuantizeError('startup_failed', { detail, cause });

/** An address in a text: those that hold the file itself are endless, and queries may be keys. */
const shownAddress = (url: URL): string => shownUrl(url).slice(0, 200);

/** Vite's development server moves the code of packages, but not what lies beside it. */
const adviceOn = ({ pathname }: URL, file: string, option: string): string =>
  pathname.includes('/.vite/')
    ? "add optimizeDeps: { exclude: ['arrowquant'] } to Vite's configuration"
    : `serve arrowquant/dist/wasm/${file} there, or ${option}use arrowquant/standalone`;

/** What `url` is answered with. Rejects with a sentence about what came instead of `what`. */
async function fetchFile(url: URL, what: string, advice: string, signal?: AbortSignal): Promise<Response> {
  const address = shownAddress(url);
  let response: Response;
  try {
    response = await fetch(url, { credentials: 'same-origin', signal: signal ?? null });
  } catch (error) {
    const reasons = 'a Content-Security-Policy (connect-src) or a server without CORS headers may forbid it';
    throw startupFailed(
      `${what} could not be fetched from ${address} (${reasonOf(error)}; ${reasons}); ${DOCS}`,
      error,
    );
  }
  const isPage = /\bhtml\b/i.test(response.headers.get('content-type') ?? '');
  if (response.ok && !isPage) return response;
  const answer = isPage ? 'an HTML page' : `${String(response.status)} ${response.statusText}`.trim();
  throw startupFailed(`${address} was answered with ${answer} instead of ${what}; ${advice}; ${DOCS}`);
}

/** Compiles what `url` is answered with. `file` is what it should be, as it is called in the package. */
export async function compileFrom(url: URL, file: string, signal: AbortSignal): Promise<WebAssembly.Module> {
  const advice = adviceOn(url, file, 'pass its address as wasmUrl, or ');
  const response = await fetchFile(url, 'the WebAssembly file', advice, signal);
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
  return policyFault(error) ?? startupFailed(`${address} could not be compiled (${reasonOf(error)})`, error);
}

/**
 * What is wrong with what a script's address is answered with; null where nothing is, or nobody can tell. `option` says what
 * helps besides, and ends with "or".
 */
export async function answerFault(script: URL | null, option = ''): Promise<QuantizeError | null> {
  if (!script?.protocol.startsWith('http')) return null;
  const file = script.pathname.slice(script.pathname.lastIndexOf('/') + 1);
  try {
    const response = await fetchFile(script, 'the script', adviceOn(script, file, option));
    const type = response.headers.get('content-type') ?? 'no type';
    if (/javascript|ecmascript/i.test(type)) return null;
    return startupFailed(`${shownAddress(script)} was sent as ${type}, scripts have to be text/javascript; ${DOCS}`);
  } catch (error) {
    return error instanceof QuantizeError ? error : null;
  }
}

/** Why a worker did not start, as far as browsers tell. */
export function scriptFailure(script: URL | null, error?: unknown): QuantizeError {
  const address = script === null ? '' : ` ${shownAddress(script)}`;
  const said = error === undefined ? '' : ` (${reasonOf(error)})`;
  const allowed = script?.protocol === 'blob:' ? 'worker-src, which needs blob:' : 'worker-src';
  const reasons = `a Content-Security-Policy (${allowed}) may forbid it, or its response lacks the COOP and COEP headers`;
  return startupFailed(`the workers' script${address} could not be started${said}; ${reasons}; ${DOCS}`, error);
}

/** Why a glue could not be imported. */
export async function glueFailure(script: URL | null, error: unknown): Promise<QuantizeError> {
  return (await answerFault(script)) ?? startupFailed(`${reasonOf(error)}; ${DOCS}`, error);
}
