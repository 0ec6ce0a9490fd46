import type { HeapWindow, WindowPool } from '../wasm/windows.js';

/** A failure, and the number of the work that it happened in. */
interface Failure {
  readonly order: number;
  readonly error: unknown;
}

export interface PipelineOptions {
  readonly failed?: (error: unknown) => void;
  readonly windows?: number;
}

/**
 * Works on as many windows at once as the pool has, so that reading, encoding and writing overlap. Work is started in
 * order; when several pieces fail, the failure of the first of them counts, whichever was noticed first.
 */
export class Pipeline {
  readonly #pool: WindowPool;
  readonly #signal: AbortSignal | undefined;
  readonly #failed: (error: unknown) => void;
  readonly #windows: number;
  readonly #running = new Set<Promise<void>>();
  #started = 0;
  #failure: Failure | null = null;

  /**
   * `failed` is called with each failure as it happens, while other work is still under way. `windows` are the most that
   * are used at once.
   */
  constructor(
    pool: WindowPool,
    signal: AbortSignal | undefined,
    { failed = () => undefined, windows = pool.count }: PipelineOptions = {},
  ) {
    this.#pool = pool;
    this.#signal = signal;
    this.#failed = failed;
    this.#windows = windows;
  }

  /**
   * Waits for a free window and starts `work` on it; the window is released when `work` is done.
   * Rejects, without starting anything, when earlier work has failed or the signal has been aborted.
   */
  async start(work: (window: HeapWindow) => Promise<void>): Promise<void> {
    while (this.#running.size >= this.#windows) await Promise.race(this.#running);
    const window = await this.#pool.acquire(this.#signal);
    if (this.#failure !== null) {
      window.release();
      throw this.#failure.error;
    }
    const run = this.#run(work, window, this.#started++);
    this.#running.add(run);
    void run.finally(() => this.#running.delete(run));
  }

  /** Waits until everything that was started is done; rejects if any of it failed. */
  async drain(): Promise<void> {
    await this.settle();
    if (this.#failure !== null) throw this.#failure.error;
  }

  /** Waits until everything that was started is done, well or badly. */
  async settle(): Promise<void> {
    await Promise.all(this.#running);
  }

  get failed(): boolean {
    return this.#failure !== null;
  }

  /** The error that counts: that of the earliest failed work, else `error`. */
  cause(error: unknown): unknown {
    return this.#failure === null ? error : this.#failure.error;
  }

  async #run(work: (window: HeapWindow) => Promise<void>, window: HeapWindow, order: number): Promise<void> {
    try {
      await work(window);
    } catch (error) {
      if (this.#failure === null || order < this.#failure.order) this.#failure = { order, error };
      this.#failed(error);
    } finally {
      window.release();
    }
  }
}
