import { abortError } from '../errors.js';
import type { FloatType, RawModule } from './module.js';
import type {
  EncodedViews,
  EncodedWindow,
  Encoding,
  HeapWindow,
  LeasedWindow,
  LeaseOptions,
  WeightRange,
  WeightSource,
  WindowPool,
} from './windows.js';

/** Someone who waits for a window. */
interface Waiter {
  readonly resolve: (window: HeapWindow) => void;
  readonly reject: (reason: unknown) => void;
}

/** Lends out `windows`, in the order in which they are asked for. */
export function lendWindows(
  windows: readonly HeapWindow[],
  module: Pick<RawModule, 'affineScale' | 'affinePackedBytes'>,
): WindowPool {
  const free = [...windows];
  const waiting: Waiter[] = [];
  return {
    count: windows.length,
    async lease<Result>(
      work: (window: LeasedWindow) => Promise<Result>,
      { signal, failed = () => undefined }: LeaseOptions = {},
    ): Promise<Result> {
      if (signal?.aborted === true) throw abortError(signal.reason);
      const window = free.pop() ?? (await waitForWindow(waiting, signal));
      const lease = new Lease(window, failed);
      try {
        return await work(lease);
      } finally {
        await lease.end();
        const next = waiting.shift();
        if (next === undefined) free.push(window);
        else next.resolve(window);
      }
    },
    affineScale: (range, bits, symmetric) => module.affineScale(range, bits, symmetric),
    packedBytes: (weights, bits) => module.affinePackedBytes(weights, bits),
  };
}

function waitForWindow(waiting: Waiter[], signal: AbortSignal | undefined): Promise<HeapWindow> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      waiting.splice(waiting.indexOf(waiter), 1);
      reject(abortError(signal?.reason));
    };
    const waiter: Waiter = {
      resolve: (window) => {
        signal?.removeEventListener('abort', stop);
        resolve(window);
      },
      reject,
    };
    waiting.push(waiter);
    signal?.addEventListener('abort', stop, { once: true });
  });
}

/** A window while it is lent: knows what is under way on it. */
class Lease implements LeasedWindow {
  readonly #window: HeapWindow;
  readonly #failed: (error: unknown) => void;
  readonly #underWay = new Set<Promise<unknown>>();
  #ended = false;

  constructor(window: HeapWindow, failed: (error: unknown) => void) {
    this.#window = window;
    this.#failed = failed;
  }

  input(weights: number, source: WeightSource): Uint8Array {
    return this.#open().input(weights, source);
  }

  encodedInput(weights: number, encoding: Encoding): EncodedViews {
    return this.#open().encodedInput(weights, encoding);
  }

  encode(weights: number, source: WeightSource, encoding: Encoding, measure: boolean): Promise<EncodedWindow> {
    return this.#follow(this.#open().encode(weights, source, encoding, measure));
  }

  scan(weights: number, source: WeightSource): Promise<WeightRange> {
    return this.#follow(this.#open().scan(weights, source));
  }

  decode(weights: number, encoding: Encoding, target: FloatType): Promise<Uint8Array> {
    return this.#follow(this.#open().decode(weights, encoding, target));
  }

  transfer(begin: () => readonly Promise<void>[]): Promise<void> {
    this.#open();
    return this.#follow(this.#settle(begin()));
  }

  /** Waits for all that is under way; nothing can be begun any more. */
  async end(): Promise<void> {
    this.#ended = true;
    await Promise.allSettled(this.#underWay);
  }

  #open(): HeapWindow {
    if (this.#ended) throw new RangeError('the lease of this window has ended');
    return this.#window;
  }

  #follow<Value>(operation: Promise<Value>): Promise<Value> {
    const forget = (): boolean => this.#underWay.delete(operation);
    this.#underWay.add(operation);
    operation.then(forget, forget);
    return operation;
  }

  async #settle(transfers: readonly Promise<void>[]): Promise<void> {
    const failures: unknown[] = [];
    const note = (error: unknown): void => {
      if (failures.push(error) === 1) this.#failed(error);
    };
    await Promise.all(transfers.map((transfer) => transfer.catch(note)));
    if (failures.length > 0) throw failures[0];
  }
}
