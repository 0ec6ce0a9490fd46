/** How the memory that tensors take on their way is shared out. */

import { WINDOW_BYTES } from '../wasm/windows.js';

export interface MemoryShares {
  /** Windows to use at once. */
  readonly windows: number;
  /** The same, when the sink is sequential. */
  readonly sequentialWindows: number;
  /** What a sequential sink may hold beside them. */
  readonly heldBytes: number;
}

/**
 * The shares of `limitBytes`, at least 16 MiB, where there are `count` windows. A sequential sink gets a quarter and what
 * the windows leave: at least a window's output, which is at most 4 MiB.
 */
export function memoryShares(limitBytes: number, count: number): MemoryShares {
  const bytes = Math.min(limitBytes, count * WINDOW_BYTES);
  const windowsIn = (share: number): number => Math.max(1, Math.floor(share / WINDOW_BYTES));
  const sequentialWindows = windowsIn(bytes * 0.75);
  return { windows: windowsIn(bytes), sequentialWindows, heldBytes: bytes - sequentialWindows * WINDOW_BYTES };
}
