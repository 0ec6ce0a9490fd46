/**
 * Quantizes model files for whoever is at the other end of a MessagePort. Several jobs may be under way at once.
 *
 * Received:
 *   { type: 'start', job, input, output, options }   paths, and options of `quantizeFile`; `job` is the sender's number
 *   { type: 'cancel', job }
 * Sent:
 *   { type: 'ready', backend, threads }              once, when the quantizer has started
 *   { type: 'event', job, event }                    the events of `quantizeFile`
 *   { type: 'done', job, report }
 *   { type: 'failed', job, code, message }           also after a cancel, with the code `aborted`
 */
import { ArrowQuant } from 'arrowquant';

/**
 * Serves `port`, which is a MessagePort of Node or a MessagePortMain of Electron, until it closes: the other end's window
 * is gone then, its jobs are aborted, and nothing of their output is left behind.
 */
export class QuantizeService {
  /** Resolves when the port is closed, every job has ended and the threads are gone; never rejects. */
  closed;
  #port;
  #quantizer;
  /** What ends the jobs, and the promises that they have, by number. */
  #jobs = new Map();
  #isOpen = true;
  #hangUp;

  constructor(port, createQuantizer = () => ArrowQuant.create()) {
    this.#port = port;
    this.#quantizer = createQuantizer();
    this.#quantizer.then(
      ({ backend, threads }) => this.#send({ type: 'ready', backend, threads }),
      // Every job will say why there is no quantizer.
      () => undefined,
    );
    this.closed = new Promise((resolve) => (this.#hangUp = resolve)).then(() => this.#end());
    port.on('close', this.#hangUp);
    // Electron's ports give an event, Node's the message itself.
    port.on('message', (received) => this.#receive(Array.isArray(received?.ports) ? received.data : received));
    port.start();
  }

  /** Closes the port from this end. */
  close() {
    this.#port.close();
    // Not every kind of port tells the end that closed it.
    this.#hangUp();
    return this.closed;
  }

  #receive(message) {
    const { type, job } = Object(message);
    if (type === 'cancel') this.#jobs.get(job)?.controller.abort();
    else if (type === 'start' && !this.#jobs.has(job)) this.#start(message);
    else this.#send({ type: 'failed', job, code: 'invalid_message', message: `There is no such request: ${type}` });
  }

  #start({ job, input, output, options }) {
    const controller = new AbortController();
    const ended = this.#run(input, output, {
      ...options,
      signal: controller.signal,
      onEvent: (event) => this.#send({ type: 'event', job, event }),
    }).then(
      (report) => {
        this.#jobs.delete(job);
        this.#send({ type: 'done', job, report });
      },
      (error) => {
        this.#jobs.delete(job);
        this.#send({ type: 'failed', job, ...described(error) });
      },
    );
    this.#jobs.set(job, { controller, ended });
  }

  async #run(input, output, options) {
    const quantizer = await this.#quantizer;
    return quantizer.quantizeFile(input, output, options);
  }

  #send(message) {
    if (this.#isOpen) this.#port.postMessage(message);
  }

  async #end() {
    this.#isOpen = false;
    for (const { controller } of this.#jobs.values()) controller.abort();
    await Promise.all([...this.#jobs.values()].map(({ ended }) => ended));
    await this.#quantizer.then(
      (quantizer) => quantizer.dispose(),
      () => undefined,
    );
  }
}

/** Errors lose their fields on the way through a port. */
function described(error) {
  const { code, message } = Object(error);
  return { code: typeof code === 'string' ? code : 'internal', message: String(message ?? error) };
}
