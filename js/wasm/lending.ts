import { abortError } from '../errors.js';
import type { Codec } from '../codecs/codec.js';
import type {
  BundlePart,
  ErrorSums,
  HeapWindow,
  LeasedWindow,
  LeaseOptions,
  SourceCodec,
  TranscodedWindow,
  TranscodeOptions,
  WeightRange,
  WindowComparison,
  WindowPool,
} from './windows.js';

/** Someone who waits for a window. */
interface Waiter {
  readonly resolve: (window: HeapWindow) => void;
  readonly reject: (reason: unknown) => void;
}

/** Lends out `windows`, in the order in which they are asked for. */
export function lendWindows(windows: readonly HeapWindow[]): WindowPool {
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

  input(weights: number, codec: Codec): readonly Uint8Array[] {
    return this.#open().input(weights, codec);
  }

  output(weights: number, codec: Codec): readonly Uint8Array[] {
    return this.#open().output(weights, codec);
  }

  inputBytes(): Uint8Array {
    return this.#open().inputBytes();
  }

  outputBytes(): Uint8Array {
    return this.#open().outputBytes();
  }

  transcode(
    weights: number,
    source: SourceCodec,
    target: Codec,
    options?: TranscodeOptions,
  ): Promise<TranscodedWindow> {
    return this.#follow(this.#open().transcode(weights, source, target, options));
  }

  transcodeBundle(parts: readonly BundlePart[]): Promise<readonly (ErrorSums | null)[]> {
    return this.#follow(this.#open().transcodeBundle(parts));
  }

  scan(weights: number, source: SourceCodec): Promise<WeightRange> {
    return this.#follow(this.#open().scan(weights, source));
  }

  compare(weights: number, a: SourceCodec, b: SourceCodec): Promise<WindowComparison> {
    return this.#follow(this.#open().compare(weights, a, b));
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
