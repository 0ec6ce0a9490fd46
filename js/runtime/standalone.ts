/** Of `arrowquant.standalone.js`, which has all files of the package inside: nothing is fetched. */

import { WASM, WORKER } from 'embedded';
import { THREAD_NAME, WORKER_NAME } from '../workers/messages.js';
import { startupFailed, uncompiled } from './browser/answers.js';
import type { Flavour } from '../wasm/glues.js';
import { page } from './browser/page.js';
import { moduleAddress, runningWorkerOf, startedAt, threadOf } from './browser/workers.js';
import { withDifferences } from './differences.js';
import type { Runtime } from './types.js';

const script = (given: URL | undefined): URL => given ?? new URL(moduleAddress(WORKER));

async function unpack(text: string): Promise<Uint8Array<ArrayBuffer>> {
  if (typeof DecompressionStream === 'undefined') {
    throw startupFailed('DecompressionStream is missing here; pass the WebAssembly as wasmBinary or wasmUrl');
  }
  const packed = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(unpacked).arrayBuffer());
}

/** The builds have nearly everything in common: the one without threads is there as its differences from the other one. */
async function wasmOf(flavour: Flavour): Promise<Uint8Array<ArrayBuffer>> {
  if (flavour === 'threads') return unpack(WASM.threads);
  const [threads, differences] = await Promise.all([unpack(WASM.threads), unpack(WASM.single)]);
  return withDifferences(threads, differences);
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
      return await WebAssembly.compile(await wasmOf(flavour));
    } catch (error) {
      throw uncompiled(`the embedded arrowquant-${flavour}.wasm`, error);
    }
  },
};
