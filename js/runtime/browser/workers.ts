import type { ThreadWorker } from '../../wasm/module.js';
import type { Reply } from '../../workers/messages.js';
import type { FailureEvents, RunningWorker, WorkerEvents } from '../types.js';
import { scriptFailure, startupFailed } from './answers.js';

/** A script of the package: where it is when no bundler has moved it, and its name there. */
export interface OwnScript {
  readonly url: URL;
  readonly file: string;
}

/** Some browsers throw what a Content-Security-Policy forbids, others tell it by an event. */
export function started(start: () => Worker): Worker {
  try {
    return start();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw startupFailed(`no worker may be started (${reason}); a Content-Security-Policy (worker-src) may forbid it`);
  }
}

/**
 * A worker whose script lies anywhere: browsers start none from another origin, but one from a Blob that imports it. The
 * Blob's address is given back by nobody, since engines read it later; it is one of a hundred bytes for each worker.
 */
export function workerAt(script: URL, name: string): Worker {
  const isNear = script.protocol === 'blob:' || script.protocol === 'data:' || script.origin === self.location.origin;
  const address = isNear ? script.href : moduleAddress(`import ${JSON.stringify(script.href)};`);
  return started(() => new Worker(address, { type: 'module', name }));
}

const addresses = new Map<string, string>();

/** The address of a Blob that holds the module `text`. */
export function moduleAddress(text: string): string {
  let address = addresses.get(text);
  if (address === undefined) {
    address = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
    addresses.set(text, address);
  }
  return address;
}

export function threadOf(worker: Worker, script: OwnScript, { onFailure }: FailureEvents): ThreadWorker {
  worker.onerror = tellingErrors(script, onFailure);
  return worker;
}

export function runningWorkerOf(
  worker: Worker,
  script: OwnScript,
  { onReply, onFailure }: WorkerEvents,
): RunningWorker {
  worker.onmessage = ({ data }: MessageEvent<Reply>) => {
    onReply(data);
  };
  worker.onmessageerror = () => {
    onFailure(new Error('it has sent what cannot be read'));
  };
  worker.onerror = tellingErrors(script, onFailure);
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

/** An event without a message says that the script did not even begin. */
function tellingErrors({ url, file }: OwnScript, onFailure: FailureEvents['onFailure']): (event: ErrorEvent) => void {
  return (event) => {
    event.preventDefault();
    if (event.message) onFailure(new Error(event.message));
    else void scriptFailure(url, file).then(onFailure);
  };
}
