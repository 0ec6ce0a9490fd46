/** The page's end of the port; quantize-service.mjs has the messages. */

/** Why a job ended without a result; `code` is that of the package's error, `process_gone`, or `aborted` after a cancel. */
export class JobError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

const goneError = () =>
  new JobError('process_gone', 'The process that quantizes has ended. Nothing was written; try again.');

export class QuantizeClient {
  /** Resolves to `{ backend, threads }` when the quantizer has started. */
  ready;
  /** Resolves when the other end is gone; a new client is needed then. */
  lost;
  #port;
  /** What settles the jobs, by number. */
  #jobs = new Map();
  #lastJob = 0;
  #tellReady;
  #tellLost;
  #isLost = false;

  constructor(port) {
    this.#port = port;
    this.ready = new Promise((resolve) => (this.#tellReady = resolve));
    this.lost = new Promise((resolve) => (this.#tellLost = resolve));
    port.addEventListener('message', ({ data }) => this.#receive(data));
    port.addEventListener('close', () => this.lose());
    port.start();
  }

  /** Quantizes the file `input` to the file `output`; resolves to the report, rejects with a JobError. */
  quantize(input, output, options, { onEvent, signal }) {
    if (this.#isLost) return Promise.reject(goneError());
    if (signal.aborted) return Promise.reject(new JobError('aborted', 'The job was cancelled before it began.'));
    const job = ++this.#lastJob;
    return new Promise((resolve, reject) => {
      this.#jobs.set(job, { resolve, reject, onEvent });
      signal.addEventListener('abort', () => this.#port.postMessage({ type: 'cancel', job }), { once: true });
      this.#port.postMessage({ type: 'start', job, input, output, options });
    });
  }

  /** To be called when the other end is known to be gone: every job rejects. */
  lose() {
    this.#isLost = true;
    this.#tellLost();
    this.#port.close();
    for (const { reject } of this.#jobs.values()) reject(goneError());
    this.#jobs.clear();
  }

  #receive(message) {
    if (message.type === 'ready') this.#tellReady(message);
    const job = this.#jobs.get(message.job);
    if (job === undefined) return;
    if (message.type === 'event') {
      job.onEvent(message.event);
      return;
    }
    this.#jobs.delete(message.job);
    if (message.type === 'done') job.resolve(message.report);
    else job.reject(new JobError(message.code, message.message));
  }
}

/** Gets a port from the main process, by way of the preload script. */
export function connect(bridge) {
  return new Promise((resolve) => {
    window.addEventListener('message', function receive({ source, data, ports }) {
      if (source !== window || data !== 'quantization-port') return;
      window.removeEventListener('message', receive);
      resolve(new QuantizeClient(ports[0]));
    });
    bridge.connect();
  });
}
