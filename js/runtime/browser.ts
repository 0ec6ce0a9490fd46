import type { Reply } from '../workers/messages.js';
import { browserFiles } from './browser/files.js';
import type { RunningWorker, Runtime, WorkerEvents } from './types.js';

const obstacleToWorkers = (): string | null =>
  typeof Worker === 'undefined' ? 'workers cannot be started from here' : null;

function startWorker({ onReply, onFailure }: WorkerEvents): RunningWorker {
  // Bundlers find workers by reading this expression, and Vite wants its options literal.
  const worker = new Worker(new URL('./worker-browser.js', import.meta.url), { type: 'module' });
  worker.onmessage = ({ data }: MessageEvent<Reply>) => {
    onReply(data);
  };
  worker.onmessageerror = () => {
    onFailure(new Error('it has sent what cannot be read'));
  };
  worker.onerror = (event) => {
    event.preventDefault();
    onFailure(new Error(event.message || 'its script could not be loaded'));
  };
  return {
    post: (order, transfer) => {
      worker.postMessage(order, [...transfer]);
    },
    terminate: () => {
      worker.onmessage = worker.onmessageerror = worker.onerror = null;
      worker.terminate();
    },
  };
}

export const runtime: Runtime = {
  files: browserFiles,
  availableParallelism: () => navigator.hardwareConcurrency || 1,

  obstacleToThreads() {
    const obstacle = obstacleToWorkers();
    if (obstacle !== null) return obstacle;
    if (typeof SharedArrayBuffer === 'undefined') {
      return 'SharedArrayBuffer is missing; the page has to be cross-origin isolated (COOP and COEP headers)';
    }
    return obstacleToSharing();
  },

  obstacleToWorkers,
  startWorker,
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
