import { runtime } from '#runtime';
import { choice, optionsOf, wholeNumber } from '../checks.js';
import { QuantizeError, asQuantizeError, errorFromModule } from '../errors.js';
import type { Backend, CreateOptions } from '../types.js';
import { createTransferredWindows } from '../workers/window-pool.js';
import { WorkerPool } from '../workers/worker-pool.js';
import { ModuleLife, guardedModule } from './guarded-module.js';
import type { RawModule, RawModuleFactory, RawModuleOptions } from './module.js';
import { createWindowPool } from './window-pool.js';
import type { WindowPool } from './windows.js';

const MOST_THREADS = 64;
/**
 * Of the cores, by default. A thread costs what the runtime takes for a worker (9 MB in Node), and 64 KB of the heap; the
 * backend `workers` takes 16 MB for each, because a worker has a heap and a window of its own.
 */
const MOST_DEFAULT_THREADS: Readonly<Record<Backend, number>> = { threads: MOST_THREADS, workers: 16, single: 1 };
const STARTUP_TIMEOUT = 10_000;
/** The longest that timers can count: 2^31 - 1 ms. */
const LONGEST_TIMEOUT = 0x7fffffff;
/** How many threads or workers a quantizer has, unless it is told, on a machine with `cores` processors. */
export const defaultThreads = (backend: Backend, cores: number): number =>
  Math.min(MOST_DEFAULT_THREADS[backend], cores);

const BACKENDS = { auto: 'auto', threads: 'threads', workers: 'workers', single: 'single' } as const;
/** What is tried, in this order. */
const CANDIDATES: Readonly<Record<Backend | 'auto', readonly [...Backend[], Backend]>> = {
  auto: ['threads', 'workers', 'single'],
  threads: ['threads'],
  workers: ['workers'],
  single: ['single'],
};
/** A pool whose workers each hold one window, while others are filled and written. */
const SPARE_WINDOWS = 3;

export interface LaunchOptions {
  readonly backend: Backend | 'auto';
  /** Undefined: the machine's cores, with the backend `workers` 16 at most. */
  readonly threads: number | undefined;
  /** Milliseconds until a module that has not started is given up. */
  readonly startupTimeout: number;
  /** Where the glue finds its wasm, for who serves it from elsewhere. */
  readonly files?: Pick<RawModuleOptions, 'locateFile' | 'wasmBinary'>;
}

export interface LaunchedModule {
  readonly module: RawModule;
  readonly backend: Backend;
  /** Windows for file work, `least` or more. */
  readonly createWindows: (least: number) => WindowPool;
}

/** Literal specifiers: bundlers have to find them. */
const GLUES: Readonly<Record<Backend, () => Promise<{ readonly default: RawModuleFactory }>>> = {
  threads: () => import('#wasm/threads'),
  workers: () => import('#wasm/single'),
  single: () => import('#wasm/single'),
};

export function readLaunchOptions(options: CreateOptions | null | undefined): LaunchOptions {
  const { backend, threads, startupTimeout } = optionsOf(options);
  return {
    backend: choice('backend', backend, BACKENDS) ?? 'auto',
    threads: wholeNumber('threads', threads, MOST_THREADS),
    startupTimeout: wholeNumber('startupTimeout', startupTimeout, LONGEST_TIMEOUT) ?? STARTUP_TIMEOUT,
  };
}

/** Why a backend cannot work here, or null when nothing speaks against it. */
const OBSTACLES: Readonly<Record<Backend, () => string | null>> = {
  threads: () => runtime.obstacleToThreads(),
  workers: () => runtime.obstacleToWorkers(),
  single: () => null,
};

/**
 * Starts the module in the build that suits the place, and its threads or workers; it is ready to work when the promise
 * resolves. Settles in any case: where the threads build cannot start, its glue would keep the caller waiting for ever.
 * Rejects with `backend_unavailable` (only for a backend that was asked for) or `startup_failed`.
 */
export async function launchModule(options: LaunchOptions): Promise<LaunchedModule> {
  const candidates = CANDIDATES[options.backend];
  for (const backend of candidates.slice(0, -1)) {
    if (OBSTACLES[backend]() !== null) continue;
    try {
      return await launch(backend, options);
    } catch {
      // The next one may fare better.
    }
  }
  const last = candidates.at(-1) ?? 'single';
  const obstacle = OBSTACLES[last]();
  if (obstacle !== null) throw new QuantizeError('backend_unavailable', { detail: `${last}: ${obstacle}` });
  return launch(last, options);
}

async function launch(backend: Backend, options: LaunchOptions): Promise<LaunchedModule> {
  const attempt = new Attempt();
  try {
    return await withTimeLimit(
      options.startupTimeout,
      attempt.untilFailure(() => start(backend, options, attempt)),
    );
  } catch (error) {
    attempt.abandon();
    throw asQuantizeError(error, 'startup_failed');
  }
}

async function start(backend: Backend, options: LaunchOptions, attempt: Attempt): Promise<LaunchedModule> {
  const { default: createModule } = await GLUES[backend]();
  const threads = options.threads ?? defaultThreads(backend, runtime.availableParallelism());
  const workers = backend === 'workers' ? poolOf(threads, attempt) : null;
  const compiled: WebAssembly.Module[] = [];
  const module = await createModule({
    threads,
    makeError: (code, ...about) => attempt.error(code) ?? errorFromModule(code, ...about),
    onThreadFailure: (error) => {
      attempt.failed('a worker thread failed', error);
    },
    onAbort: (what) => {
      attempt.failed('the module aborted', new Error(String(what)));
    },
    onCompiled: (result) => {
      compiled.push(result);
    },
    ...(workers !== null && { workers }),
    ...(runtime.copyIn !== undefined && { copyIn: runtime.copyIn }),
    ...options.files,
  });
  const life = new ModuleLife(module, () => attempt.error('disposed') ?? new QuantizeError('disposed'));
  attempt.created(life);
  for (const wasm of compiled) await workers?.start(wasm);
  await module.start();
  return handOut(life, backend, workers);
}

/** A function of its own: the closures of `start`, which the module holds, must not hold the guarded one. */
function handOut(life: ModuleLife, backend: Backend, workers: WorkerPool | null): LaunchedModule {
  const module = guardedModule(life);
  const createWindows = (least: number): WindowPool =>
    workers === null
      ? createWindowPool(module, least)
      : createTransferredWindows(workers, Math.max(least, workers.count + SPARE_WINDOWS));
  return { module, backend, createWindows };
}

const poolOf = (count: number, attempt: Attempt): WorkerPool =>
  new WorkerPool(
    count,
    (error) => {
      attempt.failed('a worker failed', error);
    },
    () => attempt.error('disposed') ?? new QuantizeError('disposed'),
  );

/** A module, which may fail behind the back of the promises that it gave. */
class Attempt {
  #fail: ((error: unknown) => void) | null = null;
  #life: ModuleLife | null = null;
  #abandoned = false;
  #moduleError: QuantizeError | null = null;

  /** Gives what `start` gives; rejects when a thread fails before. */
  async untilFailure<T>(start: () => Promise<T>): Promise<T> {
    try {
      return await new Promise((resolve, reject) => {
        this.#fail = reject;
        start().then(resolve, reject);
      });
    } finally {
      // The module holds this object, and through it would hold what it has been handed out as.
      this.#fail = null;
    }
  }

  /**
   * A module that has aborted or lost a thread would never finish its work: all that is pending rejects, and what comes
   * later.
   */
  failed(detail: string, cause: unknown): void {
    this.#moduleError ??= asQuantizeError(cause, 'internal', { detail });
    this.#fail?.(asQuantizeError(cause, 'startup_failed', { detail }));
    this.#life?.end();
  }

  /** The error to give instead of the module's own: that it was disposed is not the caller's doing after a failure. */
  error(code: string): QuantizeError | null {
    return code === 'disposed' ? this.#moduleError : null;
  }

  created(life: ModuleLife): void {
    this.#life = life;
    if (this.#abandoned) life.end();
  }

  /** Ends the threads, also those of a module that comes up too late. */
  abandon(): void {
    this.#abandoned = true;
    this.#life?.end();
  }
}

async function withTimeLimit<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new QuantizeError('startup_failed', { detail: `it was not ready after ${String(milliseconds)} ms` }));
    }, milliseconds);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}
