import { abortError } from '../errors.js';

/** Of some dozens of nanoseconds to a microsecond each. */
const STEPS = 1 << 14;

/** Long work on this thread: the event loop has its turn now and then, and when the signal has fired, the work ends. */
export class Pace {
  readonly #signal: AbortSignal | undefined;
  #left = STEPS;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  /** Counts steps; gives whether it is time for `turn`. */
  spend(steps = 1): boolean {
    this.#left -= steps;
    return this.#left < 0;
  }

  /** Gives the event loop its turn. Rejects with `aborted` when the signal has fired. */
  async turn(): Promise<void> {
    this.#left = STEPS;
    await new Promise((resolve) => {
      setTimeout(resolve);
    });
    if (this.#signal?.aborted === true) throw abortError(this.#signal.reason);
  }
}
