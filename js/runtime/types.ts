import type { FileAccess } from '../io/byte-io.js';
import type { Flavour } from '../wasm/glues.js';
import type { ThreadWorker } from '../wasm/module.js';
import type { Order, Post, Reply } from '../workers/messages.js';

/** What the page hears of a thread or worker. */
export interface FailureEvents {
  /** It has ended, could not be started, or cannot be understood. */
  readonly onFailure: (error: unknown) => void;
}

export interface WorkerEvents extends FailureEvents {
  readonly onReply: (reply: Reply) => void;
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
  /**
   * Why WebAssembly threads, or workers, cannot work here, or null when nothing speaks against them. These and the next two
   * take the address of the package's worker.js, where the caller has named one.
   */
  obstacleToThreads(script: URL | undefined): string | null;
  obstacleToWorkers(script: URL | undefined): string | null;
  startThread(script: URL | undefined, events: FailureEvents): ThreadWorker;
  startWorker(script: URL | undefined, events: WorkerEvents): RunningWorker;
  /** The package's own wasm, compiled. Rejects with `startup_failed`, and what to do about it. */
  compileOwn(flavour: Flavour, signal: AbortSignal): Promise<WebAssembly.Module>;
  /** Why a glue could not be imported, which rejected with `error`; absent where that says it. */
  explainGlue?(flavour: Flavour, error: unknown): Promise<Error>;
  /** The wasm at an address, compiled. Rejects as `compileOwn` does. */
  compileAt(url: URL, signal: AbortSignal): Promise<WebAssembly.Module>;
  /** What an address that a caller wrote means here. Throws where it is none. */
  resolve(address: string): URL;
  /** The fastest way to copy `source` over all of `target`, which has the same length; absent where that is `set`. */
  readonly copyIn?: (target: Uint8Array, source: Uint8Array) => void;
  /** What opens what models are read from and written to. Loaded when there are files: not every page has some. */
  loadFiles(): Promise<FileAccess>;
}
