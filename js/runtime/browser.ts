import { THREAD_NAME, WORKER_NAME } from '../workers/messages.js';
import type { Flavour } from '../wasm/glues.js';
import { compileFrom, glueFailure } from './browser/answers.js';
import { page } from './browser/page.js';
import { runningWorkerOf, startedAt, started, threadOf } from './browser/workers.js';
import type { Runtime } from './types.js';

// Bundlers find the files by reading these expressions, and those of workers below; Vite wants their options literal.
const wasmOf = (flavour: Flavour): URL =>
  flavour === 'threads'
    ? new URL('../wasm/arrowquant-threads.wasm', import.meta.url)
    : new URL('../wasm/arrowquant-single.wasm', import.meta.url);

/** Where a glue is, which is also the script of its workers; null where a bundler has moved it. */
function glueOf(flavour: Flavour): URL | null {
  const url = wasmOf(flavour);
  return url.pathname.endsWith(`/wasm/arrowquant-${flavour}.wasm`) ? new URL(`arrowquant-${flavour}.js`, url) : null;
}

/** The same where it is of another origin, from which browsers start no workers. */
function foreignGlueOf(flavour: Flavour): URL | undefined {
  const url = glueOf(flavour);
  return url === null || url.origin === self.origin ? undefined : url;
}

export const runtime: Runtime = {
  ...page,

  startThread(given, events) {
    const elsewhere = given ?? foreignGlueOf('threads');
    if (elsewhere !== undefined) return threadOf(startedAt(elsewhere, THREAD_NAME), elsewhere, events);
    const script = glueOf('threads');
    const start = (): Worker =>
      new Worker(new URL('../wasm/arrowquant-threads.js', import.meta.url), {
        type: 'module',
        name: 'arrowquant-pool-thread',
      });
    return threadOf(started(start, script), script, events);
  },

  startWorker(given, events) {
    const elsewhere = given ?? foreignGlueOf('single');
    if (elsewhere !== undefined) return runningWorkerOf(startedAt(elsewhere, WORKER_NAME), elsewhere, events);
    const script = glueOf('single');
    const start = (): Worker =>
      new Worker(new URL('../wasm/arrowquant-single.js', import.meta.url), {
        type: 'module',
        name: 'arrowquant-pool-worker',
      });
    return runningWorkerOf(started(start, script), script, events);
  },

  explainGlue: (flavour, error) => glueFailure(glueOf(flavour), error),
  compileOwn: (flavour, signal) => compileFrom(wasmOf(flavour), `arrowquant-${flavour}.wasm`, signal),
};
