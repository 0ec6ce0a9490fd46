import { messageOf } from '../checks.js';
import { QuantizeError } from '../errors.js';

/** What browsers say when a page's Content-Security-Policy forbids WebAssembly: some when it is compiled, some later. */
const FORBIDDEN = /Content.Security.Policy|unsafe-eval|\bCSP\b|WebAssembly\.\w+\(\) blocked/i;

/** The error for who wrote the page's policy, when `error` says that it forbids WebAssembly. */
export function policyFault(error: unknown): QuantizeError | null {
  if (!FORBIDDEN.test(messageOf(error))) return null;
  const detail = "the Content-Security-Policy forbids WebAssembly; add 'wasm-unsafe-eval' to its script-src";
  return new QuantizeError('startup_failed', { detail, cause: error });
}
