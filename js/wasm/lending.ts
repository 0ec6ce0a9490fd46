import { QuantizeError } from '../errors.js';
import type { RawModule } from './module.js';
import type { HeapWindow, WindowPool } from './windows.js';

/** Someone who waits for a window. */
interface Waiter {
  readonly resolve: (window: HeapWindow) => void;
  readonly reject: (reason: unknown) => void;
}

/** Lends out the `places` that windows have; `windowOf` makes the window of one, which calls `onRelease` when it is over. */
export function lendWindows<Place>(
  places: readonly Place[],
  windowOf: (place: Place, onRelease: () => void) => HeapWindow,
  module: Pick<RawModule, 'affineScale' | 'affinePackedBytes'>,
): WindowPool {
  const free = [...places];
  const waiting: Waiter[] = [];
  const lend = (place: Place): HeapWindow => {
    let released = false;
    return windowOf(place, () => {
      if (released) return;
      released = true;
      const next = waiting.shift();
      if (next === undefined) free.push(place);
      else next.resolve(lend(place));
    });
  };
  return {
    count: places.length,
    acquire(signal?: AbortSignal): Promise<HeapWindow> {
      if (signal?.aborted === true) return Promise.reject(new QuantizeError('aborted', { cause: signal.reason }));
      const place = free.pop();
      if (place !== undefined) return Promise.resolve(lend(place));
      return new Promise((resolve, reject) => {
        waitForWindow(waiting, { resolve, reject }, signal);
      });
    },
    affineScale: (range, bits, symmetric) => module.affineScale(range, bits, symmetric),
    packedBytes: (weights, bits) => module.affinePackedBytes(weights, bits),
  };
}

function waitForWindow(waiting: Waiter[], { resolve, reject }: Waiter, signal: AbortSignal | undefined): void {
  const stop = (): void => {
    waiting.splice(waiting.indexOf(waiter), 1);
    reject(new QuantizeError('aborted', { cause: signal?.reason }));
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
}
