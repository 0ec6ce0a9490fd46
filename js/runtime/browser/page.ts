import type { Runtime } from '../types.js';
import { compileFrom } from './answers.js';

const obstacleToWorkers = (): string | null =>
  typeof Worker === 'undefined' ? 'workers cannot be started from here' : null;

/** Not all of them are where a page's code may be run: Cloudflare Workers, Node. */
const place: Partial<Pick<typeof globalThis, 'document' | 'location' | 'navigator'>> = globalThis;

/** Relative to the page or worker, where it has an address. */
export const resolveHere = (address: string): URL => new URL(address, place.document?.baseURI ?? place.location?.href);

/** What all pages have in common, wherever the package's own files are. */
export const page = {
  loadFiles: async () => (await import('./files.js')).browserFiles,
  availableParallelism: () => place.navigator?.hardwareConcurrency ?? 1,
  obstacleToWorkers,

  obstacleToThreads() {
    const obstacle = obstacleToWorkers();
    if (obstacle !== null) return obstacle;
    if (typeof SharedArrayBuffer === 'undefined') {
      return 'SharedArrayBuffer is missing; the page has to be cross-origin isolated (COOP and COEP headers)';
    }
    return obstacleToSharing();
  },

  compileAt: (url, signal) => compileFrom(url, 'arrowquant-*.wasm', signal),
  resolve: resolveHere,
} satisfies Partial<Runtime>;

/** Some browsers make shared memory everywhere, but refuse to send it to workers of pages that are not isolated. */
function obstacleToSharing(): string | null {
  const { port1, port2 } = new MessageChannel();
  try {
    port1.postMessage(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }));
    return null;
  } catch {
    return 'memory cannot be shared with workers; the page has to be cross-origin isolated (COOP and COEP headers)';
  } finally {
    port1.close();
    port2.close();
  }
}
