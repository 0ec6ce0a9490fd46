import { WINDOW_BYTES, WINDOW_WEIGHTS, type WindowPool } from '../wasm/windows.js';

/** The most that a piece of input takes in memory of its own, before it goes into a window. */
export const ASIDE_BYTES = WINDOW_WEIGHTS * 4;

/** The least with which everything can be done: a window, and a piece that is read aside. */
const LEAST_BYTES = WINDOW_BYTES + ASIDE_BYTES;

/** What a call's tensors may take on their way when `limitBytes` is asked for: never more than all windows do. */
export const memoryOf = ({ count }: WindowPool, limitBytes: number): number =>
  Math.max(LEAST_BYTES, Math.min(limitBytes, count * WINDOW_BYTES));

/** Shares a limit between the work and what is held back until a stream has taken it: a quarter, if that leaves enough. */
export function shareWithStream(limitBytes: number): { readonly workBytes: number; readonly heldBytes: number } {
  const workBytes = Math.max(LEAST_BYTES, Math.floor(limitBytes * 0.75));
  return { workBytes, heldBytes: limitBytes - workBytes };
}

/** What a piece of work takes of the budget: nothing yet, what it reads into, or a window. */
export type MemoryPart = 'aside' | 'window';

interface Waiter {
  readonly part: MemoryPart;
  readonly resolve: () => void;
}

/**
 * The memory that a call's pieces of work may take at once. Those that are ready for a window come first, so that what is
 * read aside does not pile up; and it is never so much that no window would have room.
 */
export class MemoryBudget {
  readonly #bytes: number;
  #windows = 0;
  #aside = 0;
  readonly #waiting: Waiter[] = [];

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  /** Waits until there is room. */
  take(part: MemoryPart): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ part, resolve });
      this.#grant();
    });
  }

  give(part: MemoryPart): void {
    if (part === 'window') --this.#windows;
    else --this.#aside;
    this.#grant();
  }

  #grant(): void {
    while (this.#grantFirst('window') || this.#grantFirst('aside'));
  }

  #grantFirst(part: MemoryPart): boolean {
    const index = this.#waiting.findIndex((waiter) => waiter.part === part);
    const waiter = this.#waiting[index];
    if (waiter === undefined || !this.#hasRoom(part)) return false;
    this.#waiting.splice(index, 1);
    if (part === 'window') ++this.#windows;
    else ++this.#aside;
    waiter.resolve();
    return true;
  }

  #hasRoom(part: MemoryPart): boolean {
    const used = this.#windows * WINDOW_BYTES + this.#aside * ASIDE_BYTES;
    if (part === 'window') return used + WINDOW_BYTES <= this.#bytes;
    if (this.#waiting.some((waiter) => waiter.part === 'window')) return false;
    return used + ASIDE_BYTES + (this.#windows === 0 ? WINDOW_BYTES : 0) <= this.#bytes;
  }
}
