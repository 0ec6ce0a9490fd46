import { abortError, QuantizeError } from '../errors.js';
import type { LeasedWindow, WindowPool } from '../wasm/windows.js';
import { MemoryBudget, memoryOf, type MemoryPart } from './memory-budget.js';

/** What a piece of work reads. */
export interface PieceInput {
  /**
   * Reads into memory of its own what may be long in coming: no window is held meanwhile. Null where reads wait for nobody
   * and go straight into the window.
   */
  readonly readAside: (() => Promise<void>) | null;
  /** Puts what is read into the window. */
  fill(window: LeasedWindow): Promise<void>;
}

/** A piece of work: it is read, worked on in a window, and ended. */
export interface Piece {
  /** Waits until the output has room for what the piece writes. Pieces wait in the order in which they are started. */
  readonly reserve?: (() => Promise<void>) | undefined;
  /** Absent where the work itself reads what it needs. */
  readonly input?: PieceInput | undefined;
  /** What is done in a window; absent where none is needed. */
  readonly work?: ((window: LeasedWindow) => Promise<void>) | undefined;
  /**
   * It only waits for pieces that were started before, and writes what is in memory already: it takes nothing of the budget,
   * which they need.
   */
  readonly isFree?: boolean | undefined;
  /** Ends the piece, when no window is held any more. */
  readonly end?: (() => Promise<void>) | undefined;
}

/** What all pieces of a call share. */
export interface PipelineTools {
  readonly pool: WindowPool;
  readonly signal: AbortSignal | undefined;
  /** Ends all reads and writes of the call that are pending. */
  readonly fail: (error: unknown) => void;
  /** The most that pieces of work may take in memory at once. Default: what all windows take. */
  readonly memoryBytes?: number;
}

/** A failure, and the number of the piece that it happened in. */
interface Failure {
  readonly order: number;
  readonly error: unknown;
}

/**
 * Works on several pieces at once, so that reading, encoding and writing overlap. Pieces are started in order. The first
 * failure ends all reads and writes of the call that can be ended; when several pieces fail all the same, the failure of
 * the first of them counts, whichever was noticed first.
 */
export class Pipeline {
  readonly #tools: PipelineTools;
  readonly #budget: MemoryBudget;
  readonly #running = new Set<Promise<void>>();
  #started = 0;
  #failure: Failure | null = null;
  /** The failure that the call was told of: what is `aborted` from then on has failed because of it. */
  #told: { readonly error: unknown } | null = null;
  readonly #failed: { readonly promise: Promise<never>; readonly reject: (error: unknown) => void };

  constructor(tools: PipelineTools) {
    this.#tools = tools;
    this.#failed = rejectable();
    this.#budget = new MemoryBudget(memoryOf(tools.pool, tools.memoryBytes ?? Infinity));
  }

  /**
   * Runs the pieces that `begin` starts to their end. After a failure the call is told of it, all that has been started is
   * waited for, and the failure that counts is what this rejects with.
   */
  static async run(tools: PipelineTools, begin: (pipeline: Pipeline) => Promise<void>): Promise<void> {
    const pipeline = new Pipeline(tools);
    try {
      await begin(pipeline);
      await pipeline.drain();
    } catch (error) {
      tools.fail(error);
      await pipeline.settle();
      throw pipeline.cause(error);
    }
  }

  /**
   * Starts a piece when there is room for it.
   * Rejects, without starting anything, when earlier work has failed or the signal has been aborted.
   */
  async start(piece: Piece): Promise<void> {
    this.#check();
    await piece.reserve?.();
    const part = partOf(piece);
    if (part !== null) await this.#budget.take(part);
    try {
      this.#check();
    } catch (error) {
      if (part !== null) this.#budget.give(part);
      throw error;
    }
    const run = this.#run(piece, part, this.#started++);
    this.#running.add(run);
    void run.finally(() => this.#running.delete(run));
  }

  /** Waits until everything that was started is done; rejects if any of it failed. */
  async drain(): Promise<void> {
    await this.settle();
    if (this.#told !== null) throw this.cause(this.#told.error);
  }

  /** Waits until everything that was started is done, well or badly. */
  async settle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  /**
   * What `promise`, which pieces that were started resolve, resolves to; rejects when a piece fails, as then it may never
   * resolve.
   */
  whenDone<Value>(promise: Promise<Value>): Promise<Value> {
    return Promise.race([promise, this.#failed.promise]);
  }

  get failed(): boolean {
    return this.#told !== null;
  }

  /** The error that counts: that of the earliest failed work, else `error`. */
  cause(error: unknown): unknown {
    return this.#failure === null ? error : this.#failure.error;
  }

  #check(): void {
    const { signal } = this.#tools;
    if (this.#told !== null) throw this.cause(this.#told.error);
    if (signal?.aborted === true) throw abortError(signal.reason);
  }

  async #run({ input, work, end }: Piece, part: MemoryPart | null, order: number): Promise<void> {
    const taken = new Set<MemoryPart>(part === null ? [] : [part]);
    try {
      await input?.readAside?.();
      if (work !== undefined) {
        if (part === 'aside') await this.#budget.take('window');
        taken.add('window');
        await this.#lease(async (window) => {
          await input?.fill(window);
          if (taken.delete('aside')) this.#budget.give('aside');
          await work(window);
        }, order);
        // Others can have its memory while the disk takes note of a tensor.
        taken.delete('window');
        this.#budget.give('window');
      }
      await end?.();
    } catch (error) {
      this.#note(error, order);
    } finally {
      for (const one of taken) this.#budget.give(one);
    }
  }

  /** Work that has been started goes on after another's failure, as its own may be the one that counts. */
  async #lease(work: (window: LeasedWindow) => Promise<void>, order: number): Promise<void> {
    const { pool, signal } = this.#tools;
    const failed = (error: unknown): void => {
      this.#note(error, order);
    };
    const begun = new Set<LeasedWindow>();
    const begin = (window: LeasedWindow): Promise<void> => {
      begun.add(window);
      return work(window);
    };
    try {
      await pool.lease(begin, { failed, signal });
    } catch (error) {
      if (begun.size > 0 || !this.#isFollowing(error)) throw error;
      await pool.lease(work, { failed });
    }
  }

  /** Whether something has failed only because the call was told of a failure. */
  #isFollowing(error: unknown): boolean {
    if (this.#told === null) return false;
    return error === this.#told.error || (isAbort(error) && !isAbort(this.#told.error));
  }

  #note(error: unknown, order: number): void {
    if (this.#isFollowing(error)) return;
    if (this.#failure === null || order <= this.#failure.order) this.#failure = { order, error };
    if (this.#told !== null) return;
    this.#told = { error };
    this.#failed.reject(error);
    this.#tools.fail(error);
  }
}

/** A promise that nobody need look at. */
function rejectable(): { readonly promise: Promise<never>; readonly reject: (error: unknown) => void } {
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<never>((_, refuse) => {
    reject = refuse;
  });
  promise.catch(() => undefined);
  return { promise, reject };
}

const partOf = ({ input, isFree }: Piece): MemoryPart | null => {
  if (isFree === true) return null;
  return typeof input?.readAside === 'function' ? 'aside' : 'window';
};

const isAbort = (error: unknown): boolean => error instanceof QuantizeError && error.code === 'aborted';
