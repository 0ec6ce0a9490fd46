import { browserFiles } from './browser/files.js';
import type { Runtime } from './types.js';

const unavailable = (): never => {
  throw new Error('There are no workers here.');
};

/** Where there can be neither threads nor workers, for the reason that `obstacle` tells. */
export const singleRuntime = (
  obstacle: string,
  compile: Pick<Runtime, 'compileOwn' | 'compileAt' | 'resolve'>,
): Runtime => ({
  loadFiles: () => Promise.resolve(browserFiles),
  availableParallelism: () => 1,
  obstacleToThreads: () => obstacle,
  obstacleToWorkers: () => obstacle,
  startThread: unavailable,
  startWorker: unavailable,
  ...compile,
});
