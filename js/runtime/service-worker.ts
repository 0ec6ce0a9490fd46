/** Of `arrowquant/single`. */

import { compileFrom } from './browser/answers.js';
import { resolveHere } from './browser/page.js';
import { singleRuntime } from './single.js';

let provided: WebAssembly.Module | null = null;

/** Gives the wasm, for places that compile none at run time. */
export function provideWasm(compiled: WebAssembly.Module): void {
  provided = compiled;
}

export const runtime = singleRuntime('arrowquant/single has the backend single, and no other', {
  compileOwn: (_, signal) =>
    provided === null
      ? compileFrom(new URL('../wasm/arrowquant-single.wasm', import.meta.url), 'arrowquant-single.wasm', signal)
      : Promise.resolve(provided),
  compileAt: (url, signal) => compileFrom(url, 'arrowquant-single.wasm', signal),
  resolve: resolveHere,
});
