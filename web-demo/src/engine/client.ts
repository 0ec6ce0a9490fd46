/** The page's end of the worker that does all the work. */

import type { Failure, Progress, ReplyMessage, RequestName, Requests } from './protocol';

/** What a request rejects with; the message is the package's own sentence. */
export class EngineError extends Error {
  readonly code: string;
  readonly layer: string | null;

  constructor({ code, message, layer }: Failure) {
    super(message);
    this.name = 'EngineError';
    this.code = code;
    this.layer = layer;
  }
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: EngineError) => void;
}

export class EngineClient {
  onProgress: (progress: Progress) => void = () => undefined;
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #count = 0;
  #dead: EngineError | null = null;

  constructor() {
    this.#worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module', name: 'arrowquant' });
    this.#worker.addEventListener('message', ({ data }: MessageEvent<ReplyMessage>) => {
      this.#receive(data);
    });
    this.#worker.addEventListener('error', (event) => {
      event.preventDefault();
      this.#fail(event.message === '' ? 'its script could not be loaded' : event.message);
    });
  }

  ask<Name extends RequestName>(
    name: Name,
    parameters: Requests[Name]['parameters'],
  ): Promise<Requests[Name]['result']> {
    return new Promise((resolve, reject) => {
      if (this.#dead !== null) {
        reject(this.#dead);
        return;
      }
      const id = ++this.#count;
      this.#pending.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.#worker.postMessage({ id, name, parameters });
    });
  }

  #receive(message: ReplyMessage): void {
    if (message.kind === 'progress') {
      this.onProgress(message.progress);
      return;
    }
    const pending = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    if (message.kind === 'result') pending?.resolve(message.value);
    else pending?.reject(new EngineError(message.failure));
  }

  /** Only what no request can be blamed for ends up here; nothing that is pending will be answered any more. */
  #fail(reason: string): void {
    const message = `The worker failed: ${reason}. Reload the page to start again.`;
    this.#dead = new EngineError({ code: 'worker_failed', message, layer: null });
    for (const { reject } of this.#pending.values()) reject(this.#dead);
    this.#pending.clear();
  }
}
