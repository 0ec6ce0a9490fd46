import { AbortActions } from '../../abort-actions.js';
import { QuantizeError } from '../../errors.js';
import { unlessAborted } from '../../io/unless-aborted.js';
import { checkAborted } from '../failures.js';
import { problemOf } from './problems.js';
import type { HttpSettings } from './settings.js';

const aborts = new AbortActions();

/** A failure after which it is worth trying again; `delay` in milliseconds is what the server asks for. */
export class TransientFailure extends Error {
  readonly delay: number;
  /** Whether there was an answer at all. */
  readonly answered: boolean;

  constructor(message: string, { cause, answered, delay = 0 }: { cause?: unknown; answered: boolean; delay?: number }) {
    super(message, { cause });
    this.answered = answered;
    this.delay = delay;
  }
}

/** Counts the tries that have failed in a row. */
export class Retries {
  readonly #name: string;
  readonly #settings: HttpSettings;
  readonly #signal: AbortSignal | undefined;
  #failed = 0;

  constructor(name: string, settings: HttpSettings, signal: AbortSignal | undefined) {
    this.#name = name;
    this.#settings = settings;
    this.#signal = signal;
  }

  /**
   * Resolves when it is time to try again after `error`; rejects with what it comes to when it is not transient, or was
   * one too many. `isKnown`: the address has answered before, and cannot be wrong.
   */
  async after(error: unknown, { progress = 0, isKnown = false } = {}): Promise<void> {
    if (!(error instanceof TransientFailure)) throw error;
    this.#failed = progress >= this.#settings.progressBytes ? 0 : this.#failed + 1;
    const { attempts, firstAttempts } = this.#settings;
    if (this.#failed >= (error.answered || isKnown ? attempts : firstAttempts)) throw this.#givenUp(error);
    if (this.#failed > 0) await this.#wait(error.delay);
  }

  #givenUp(error: TransientFailure): QuantizeError {
    const detail = `${error.message} (tried ${this.#failed} times)`;
    return new QuantizeError('unreadable_input', { file: this.#name, detail, cause: error.cause });
  }

  /** Waits longer each time; the signal ends it. */
  async #wait(asked: number): Promise<void> {
    checkAborted(this.#signal);
    const { firstDelay, longestDelay, longestAsked } = this.#settings;
    const own = Math.min(longestDelay, firstDelay * 2 ** (this.#failed - 1));
    await new Promise<void>((resolve) => {
      const timer = setTimeout(end, Math.max(own, Math.min(longestAsked, asked)));
      const revoke = aborts.add(this.#signal, end);
      function end(): void {
        clearTimeout(timer);
        revoke();
        resolve();
      }
    });
    checkAborted(this.#signal);
  }
}

/** Milliseconds that a server asks to wait, in seconds or until a date; 0 when it asks for none. */
export function retryDelay(text: string | null | undefined, now: number): number {
  const asked = (text ?? '').trim();
  if (asked === '') return 0;
  const seconds = Number(asked);
  const delay = Number.isNaN(seconds) ? Date.parse(asked) - now : seconds * 1000;
  return delay > 0 ? delay : 0;
}

/** Ends a request when its bytes stall, when the job is aborted, and when it is over. */
export class Connection {
  readonly #controller = new AbortController();
  readonly #stallLimit: number;
  readonly #hint: string;
  readonly #revoke: () => void;
  #stalled = false;

  /** `hint` goes behind what is said of a request that nobody answers. */
  constructor(stallLimit: number, signal: AbortSignal | undefined, hint = '') {
    this.#stallLimit = stallLimit;
    this.#hint = hint;
    this.#revoke = aborts.add(signal, () => {
      this.#controller.abort();
    });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Waits for a step of the request, not for ever; what goes wrong with it is a transient failure. */
  async guard<Value>(step: Promise<Value>): Promise<Value> {
    // Nobody may be left to wait for it.
    void Promise.resolve(step).catch(() => undefined);
    const timer = setTimeout(() => {
      this.#stalled = true;
      this.#controller.abort();
    }, this.#stallLimit);
    try {
      // A caller's fetch, or the body that it gives, may know nothing of the signal.
      return await unlessAborted(this.signal, () => step);
    } catch (error) {
      if (this.#stalled) {
        const text = `nothing came for ${this.#stallLimit / 1000} seconds`;
        throw new TransientFailure(text, { cause: error, answered: false });
      }
      if (error instanceof QuantizeError) throw error;
      const { text, cause } = problemOf(error);
      throw new TransientFailure(text + this.#hint, { cause, answered: false });
    } finally {
      clearTimeout(timer);
    }
  }

  end(): void {
    this.#revoke();
    this.#controller.abort();
  }
}
