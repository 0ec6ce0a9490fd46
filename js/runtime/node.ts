import { Buffer } from 'node:buffer';
import { availableParallelism } from 'node:os';
import { nodeFiles } from './node-files.js';
import type { Runtime } from './types.js';

export const runtime: Runtime = {
  availableParallelism,
  files: nodeFiles,

  obstacleToThreads() {
    if (typeof SharedArrayBuffer === 'undefined') return 'SharedArrayBuffer is missing';
    if (mayStartWorkers()) return null;
    return 'the permission model forbids workers (--allow-worker)';
  },

  /**
   * V8's `set` copies into shared memory with atomic stores; `fill` with a source of the target's length is one memcpy.
   * Measured with 256 KB pieces: 1.3 times as fast in Node 20 and 22, 1.9 times in Node 24. The other way `set` wins.
   */
  copyIn(target, source) {
    Buffer.from(target.buffer, target.byteOffset, target.byteLength).fill(source);
  },
};

/** `process.permission` is there only when Node runs with its permission model. */
function mayStartWorkers(): boolean {
  const { permission } = process as { readonly permission?: { has(scope: string): boolean } };
  return permission === undefined || permission.has('worker');
}
