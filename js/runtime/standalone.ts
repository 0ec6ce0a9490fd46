/** Of `arrowquant.standalone.js`, which has all files of the package inside: nothing is fetched. */

import { WASM, WORKER } from 'embedded';
import { THREAD_NAME, WORKER_NAME } from '../workers/messages.js';
import { startupFailed, uncompiled } from './browser/answers.js';
import { page } from './browser/page.js';
import { moduleAddress, runningWorkerOf, startedAt, threadOf } from './browser/workers.js';
import type { Runtime } from './types.js';

const script = (given: URL | undefined): URL => given ?? new URL(moduleAddress(WORKER));

async function unpack(text: string): Promise<ArrayBuffer> {
  if (typeof DecompressionStream === 'undefined') {
    throw startupFailed('DecompressionStream is missing here; pass the WebAssembly as wasmBinary or wasmUrl');
  }
  const packed = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'))).arrayBuffer();
}

export const runtime: Runtime = {
  ...page,
  startThread(given, events) {
    const url = script(given);
    return threadOf(startedAt(url, THREAD_NAME), url, events);
  },
  startWorker(given, events) {
    const url = script(given);
    return runningWorkerOf(startedAt(url, WORKER_NAME), url, events);
  },
  async compileOwn(flavour) {
    try {
      return await WebAssembly.compile(await unpack(WASM[flavour]));
    } catch (error) {
      throw uncompiled(`the embedded arrowquant-${flavour}.wasm`, error);
    }
  },
};
