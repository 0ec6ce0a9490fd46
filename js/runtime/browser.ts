import { THREAD_NAME, WORKER_NAME } from '../workers/messages.js';
import { compileFrom, scriptFailure } from './browser/answers.js';
import { page } from './browser/page.js';
import { runningWorkerOf, started, threadOf, workerAt } from './browser/workers.js';
import type { Runtime } from './types.js';

/** The same that bundlers read below, where they must not: they would make files of what is only named. */
const BASE = import.meta.url;

const THREADS_SCRIPT = 'wasm/arrowquant-threads.js';
const WORKER_SCRIPT = 'wasm/arrowquant-single.js';
const EITHER_SCRIPT = 'worker.js';

export const runtime: Runtime = {
  ...page,

  // Bundlers find workers by reading these expressions, and Vite wants their options literal.
  startThread(script, events) {
    if (script !== undefined) {
      return threadOf(workerAt(script, THREAD_NAME), { url: script, file: EITHER_SCRIPT }, events);
    }
    const start = (): Worker =>
      new Worker(new URL('../wasm/arrowquant-threads.js', import.meta.url), { type: 'module', name: 'em-pthread' });
    return threadOf(started(start), { url: new URL(`../${THREADS_SCRIPT}`, BASE), file: THREADS_SCRIPT }, events);
  },

  startWorker(script, events) {
    if (script !== undefined) {
      return runningWorkerOf(workerAt(script, WORKER_NAME), { url: script, file: EITHER_SCRIPT }, events);
    }
    const start = (): Worker =>
      new Worker(new URL('../wasm/arrowquant-single.js', import.meta.url), {
        type: 'module',
        name: 'arrowquant-worker',
      });
    return runningWorkerOf(started(start), { url: new URL(`../${WORKER_SCRIPT}`, BASE), file: WORKER_SCRIPT }, events);
  },

  explainGlue: (flavour) =>
    scriptFailure(new URL(`../wasm/arrowquant-${flavour}.js`, BASE), `wasm/arrowquant-${flavour}.js`),

  compileOwn: (flavour) =>
    flavour === 'threads'
      ? compileFrom(new URL('../wasm/arrowquant-threads.wasm', import.meta.url), 'arrowquant-threads.wasm')
      : compileFrom(new URL('../wasm/arrowquant-single.wasm', import.meta.url), 'arrowquant-single.wasm'),
};
