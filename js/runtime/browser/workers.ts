import type { ThreadWorker } from '../../wasm/module.js';
import type { Reply } from '../../workers/messages.js';
import type { FailureEvents, RunningWorker, WorkerEvents } from '../types.js';
import { answerFault, scriptFailure } from './answers.js';

/** Some browsers throw what a Content-Security-Policy forbids, others tell it by an event. */
export function started(start: () => Worker, script: URL | null): Worker {
  try {
    return start();
  } catch (error) {
    throw scriptFailure(script, error);
  }
}

/** A worker whose script lies anywhere: browsers start none from another origin, but one from a Blob that imports it. */
export function startedAt(script: URL, name: string): Worker {
  const isNear = /^(blob|data):/.test(script.protocol) || script.origin === self.origin;
  const address = isNear ? script.href : moduleAddress(`import ${JSON.stringify(script.href)};`);
  return started(() => new Worker(address, { type: 'module', name }), new URL(address));
}

const addresses = new Map<string, string>();

/**
 * The address of a Blob that holds the module `text`. Nobody gives it back, since engines read it later; there is one for each
 * text.
 */
export function moduleAddress(text: string): string {
  let address = addresses.get(text);
  if (address === undefined) {
    address = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
    addresses.set(text, address);
  }
  return address;
}

/** `script` is null where nobody knows its address. */
export function threadOf(worker: Worker, script: URL | null, { onFailure }: FailureEvents): ThreadWorker {
  worker.onerror = tellingErrors(script, onFailure);
  return worker;
}

export function runningWorkerOf(
  worker: Worker,
  script: URL | null,
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
function tellingErrors(script: URL | null, onFailure: FailureEvents['onFailure']): (event: ErrorEvent) => void {
  return (event) => {
    event.preventDefault();
    if (event.message) onFailure(new Error(event.message));
    else void explained(script).then(onFailure);
  };
}

/** Explanations under way: all workers of a pool fail at once. */
const explanations = new Map<string, Promise<unknown>>();

/** What is wrong with a script, which its server is asked for. */
async function explained(script: URL | null): Promise<unknown> {
  const key = script?.href ?? '';
  const explanation = explanations.get(key) ?? askedFor(script);
  explanations.set(key, explanation);
  try {
    return await explanation;
  } finally {
    explanations.delete(key);
  }
}

const askedFor = async (script: URL | null): Promise<unknown> =>
  (await answerFault(script, 'pass the address of arrowquant/dist/worker.js as workerUrl, or ')) ??
  scriptFailure(script);
