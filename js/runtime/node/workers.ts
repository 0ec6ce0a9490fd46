import { Worker, type WorkerOptions } from 'node:worker_threads';
import type { ThreadWorker } from '../../wasm/module.js';
import type { THREAD_NAME, WORKER_NAME, Reply } from '../../workers/messages.js';
import type { FailureEvents, RunningWorker, WorkerEvents } from '../types.js';

/** What a worker of the package is: the glues read it. */
export type WorkerKind = typeof THREAD_NAME | typeof WORKER_NAME;

/**
 * Starts the script without the flags that Node itself was given: those of V8 and of the process hold for workers anyway,
 * and some are refused to them; hooks that load TypeScript and the like are not wanted in them.
 */
export const startScript = (script: URL, kind: WorkerKind): Worker =>
  new Worker(script, { workerData: kind, name: kind, execArgv: [] } satisfies WorkerOptions);

/** Calls `onFailure` for whatever ends the worker, until `stop` is called; errors that nobody hears end the process. */
function watch(
  worker: Worker,
  onFailure: FailureEvents['onFailure'],
): { readonly wanted: () => boolean; stop(): void } {
  let wanted = true;
  const fail = (error: unknown): void => {
    if (wanted) onFailure(error);
  };
  worker.on('messageerror', fail);
  worker.on('error', fail);
  worker.on('exit', (code) => {
    fail(new Error(`it has ended with code ${String(code)}`));
  });
  return {
    wanted: () => wanted,
    stop: () => {
      wanted = false;
    },
  };
}

export function runningWorkerOf(worker: Worker, { onReply, onFailure }: WorkerEvents): RunningWorker {
  const life = watch(worker, onFailure);
  worker.on('message', (reply: Reply) => {
    if (life.wanted()) onReply(reply);
  });
  // After the listeners: to listen for messages holds the process.
  worker.unref();
  return {
    post: (order, transfer) => {
      worker.postMessage(order, [...transfer]);
    },
    terminate: () => {
      life.stop();
      void worker.terminate();
    },
  };
}

/** The Worker of browsers, as far as the glue knows it, on one of Node. */
export function threadOf(worker: Worker, { onFailure }: FailureEvents): ThreadWorker {
  const life = watch(worker, onFailure);
  const listeners: ((event: { readonly data: unknown }) => void)[] = [];
  const thread: ThreadWorker = {
    onmessage: null,
    postMessage: (message) => {
      worker.postMessage(message);
    },
    addEventListener: (_, listener) => {
      listeners.push(listener);
    },
    terminate: () => {
      life.stop();
      void worker.terminate();
    },
  };
  worker.on('message', (data: unknown) => {
    const event = { data };
    (thread.onmessage as ((event: { readonly data: unknown }) => void) | null)?.(event);
    for (const listener of listeners) listener(event);
  });
  worker.unref();
  return thread;
}
