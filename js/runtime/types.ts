import type { FileAccess } from '../files/io.js';

/** What the package needs of the runtime it runs in. */
export interface Runtime {
  /** Processors that this process or page may use; at least 1. */
  availableParallelism(): number;
  /** Why WebAssembly threads cannot work here, or null when nothing speaks against them. */
  obstacleToThreads(): string | null;
  /** The fastest way to copy `source` over all of `target`, which has the same length; absent where that is `set`. */
  readonly copyIn?: (target: Uint8Array, source: Uint8Array) => void;
  /** Opens what models are read from and written to. */
  readonly files: FileAccess;
}
