import { browserFiles } from './browser-files.js';
import type { Runtime } from './types.js';

export const runtime: Runtime = {
  files: browserFiles,
  availableParallelism: () => navigator.hardwareConcurrency || 1,

  obstacleToThreads() {
    if (typeof Worker === 'undefined') return 'workers cannot be started from here';
    if (typeof SharedArrayBuffer === 'undefined') {
      return 'SharedArrayBuffer is missing; the page has to be cross-origin isolated (COOP and COEP headers)';
    }
    return obstacleToSharing();
  },
};

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
