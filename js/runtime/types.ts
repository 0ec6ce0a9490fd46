import type { FileAccess } from '../io/byte-io.js';
import type { Order, Post, Reply } from '../workers/messages.js';

/** What the page hears of a worker. */
export interface WorkerEvents {
  readonly onReply: (reply: Reply) => void;
  /** It has ended, or cannot be understood. */
  readonly onFailure: (error: unknown) => void;
}

/** A worker of js/workers that the page has started. It does not keep the process alive. */
export interface RunningWorker {
  readonly post: Post<Order>;
  /** Ends it; none of its events comes any more. */
  terminate(): void;
}

/** What the package needs of the runtime it runs in. */
export interface Runtime {
  /** Processors that this process or page may use; at least 1. */
  availableParallelism(): number;
  /** Why WebAssembly threads cannot work here, or null when nothing speaks against them. */
  obstacleToThreads(): string | null;
  /** Why workers cannot be started here, or null when nothing speaks against them. */
  obstacleToWorkers(): string | null;
  startWorker(events: WorkerEvents): RunningWorker;
  /** The fastest way to copy `source` over all of `target`, which has the same length; absent where that is `set`. */
  readonly copyIn?: (target: Uint8Array, source: Uint8Array) => void;
  /** Opens what models are read from and written to. */
  readonly files: FileAccess;
}
