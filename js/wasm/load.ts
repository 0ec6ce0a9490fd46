import { runtime } from '#runtime';
import { choice, messageOf, optionsOf, wholeNumber } from '../checks.js';
import { QuantizeError, asQuantizeError, errorFromModule } from '../errors.js';
import type { FailureEvents } from '../runtime/types.js';
import type { Backend, CreateOptions } from '../types.js';
import { createTransferredWindows } from '../workers/window-pool.js';
import { WorkerPool } from '../workers/worker-pool.js';
import { WasmBinaries, readOwnFiles, type OwnFiles } from './binary.js';
import { GLUES, type Flavour } from './glues.js';
import { ModuleLife, guardedModule } from './guarded-module.js';
import { policyFault } from './policy.js';
import type { RawModule, RawModuleFactory, ThreadWorker, WasmObject } from './module.js';
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
  readonly files: OwnFiles;
}

export interface LaunchedModule {
  readonly module: RawModule;
  readonly backend: Backend;
  /** Why no earlier backend was taken; null when none was tried. */
  readonly fallback: string | null;
  /** Windows for file work, `least` or more. */
  readonly createWindows: (least: number) => WindowPool;
}

const FLAVOURS: Readonly<Record<Backend, Flavour>> = { threads: 'threads', workers: 'single', single: 'single' };

export function readLaunchOptions(options: CreateOptions | null | undefined): LaunchOptions {
  const { backend, threads, startupTimeout } = optionsOf(options);
  return {
    backend: choice('backend', backend, BACKENDS) ?? 'auto',
    threads: wholeNumber('threads', threads, MOST_THREADS),
    startupTimeout: wholeNumber('startupTimeout', startupTimeout, LONGEST_TIMEOUT) ?? STARTUP_TIMEOUT,
    files: readOwnFiles(optionsOf(options)),
  };
}

/** Why a backend cannot work here, or null when nothing speaks against it. */
const OBSTACLES: Readonly<Record<Backend, (script: URL | undefined) => string | null>> = {
  threads: (script) => runtime.obstacleToThreads(script),
  workers: (script) => runtime.obstacleToWorkers(script),
  single: () => null,
};

/**
 * Starts the module in the build that suits the place, and its threads or workers; it is ready to work when the promise
 * resolves. Settles in any case: where the threads build cannot start, its glue would keep the caller waiting for ever.
 * Rejects with `backend_unavailable` (only for a backend that was asked for) or `startup_failed`.
 */
export async function launchModule(options: LaunchOptions): Promise<LaunchedModule> {
  const controller = new AbortController();
  try {
    return await launchFirst(options, new WasmBinaries(options.files, controller.signal));
  } finally {
    // Nobody waits for a server any more.
    controller.abort();
  }
}

async function launchFirst(options: LaunchOptions, binaries: WasmBinaries): Promise<LaunchedModule> {
  const reasons: string[] = [];
  const candidates = CANDIDATES[options.backend];
  for (const backend of candidates) {
    try {
      const obstacle = OBSTACLES[backend](options.files.workerUrl);
      if (obstacle !== null) throw new QuantizeError('backend_unavailable', { detail: `${backend}: ${obstacle}` });
      const launched = await launch(backend, options, binaries);
      return { ...launched, fallback: reasons.length === 0 ? null : reasons.join('; ') };
    } catch (error) {
      if (backend === candidates.at(-1)) throw error;
      reasons.push(reasonAgainst(backend, error));
    }
  }
  throw new QuantizeError('internal', { detail: 'no backend was tried' });
}

/** Of a backend that did not start; an obstacle names it already. */
function reasonAgainst(backend: Backend, error: unknown): string {
  const { code, detail, message } = asQuantizeError(error, 'startup_failed');
  return code === 'backend_unavailable' ? (detail ?? message) : `${backend}: ${detail ?? message}`;
}

type Started = Omit<LaunchedModule, 'fallback'>;

async function launch(backend: Backend, options: LaunchOptions, binaries: WasmBinaries): Promise<Started> {
  const attempt = new Attempt();
  try {
    return await withTimeLimit(
      options.startupTimeout,
      attempt,
      attempt.untilFailure(() => start(backend, options, binaries, attempt)),
    );
  } catch (error) {
    attempt.abandon();
    throw asQuantizeError(error, 'startup_failed');
  }
}

async function start(
  backend: Backend,
  options: LaunchOptions,
  binaries: WasmBinaries,
  attempt: Attempt,
): Promise<Started> {
  const flavour = FLAVOURS[backend];
  const [{ default: createModule }, compiled] = await Promise.all([importGlue(flavour), binaries.compiled(flavour)]);
  const threads = options.threads ?? defaultThreads(backend, runtime.availableParallelism());
  const script = options.files.workerUrl;
  attempt.hint = script === undefined ? '' : '; does workerUrl lead to the worker.js of this version?';
  const workers = backend === 'workers' ? poolOf(threads, script, attempt) : null;
  const module = await createModule({
    threads,
    makeError: (code, ...about) => attempt.error(code) ?? errorFromModule(code, ...about),
    instantiateWasm: (imports, receive) => instantiate(compiled, imports, receive, attempt),
    startThread: () => startThread(script, attempt.eventsOf('a worker thread failed')),
    onAbort: (what) => {
      attempt.failed('the module aborted', new Error(String(what)));
    },
    // What it would print is told by the errors.
    printErr: () => undefined,
    ...(workers !== null && { workers }),
    ...(runtime.copyIn !== undefined && { copyIn: runtime.copyIn }),
  });
  const life = new ModuleLife(module, () => attempt.error('disposed') ?? new QuantizeError('disposed'));
  attempt.created(life);
  await workers?.start(compiled);
  await module.start();
  return handOut(life, backend, workers);
}

async function importGlue(flavour: Flavour): Promise<{ readonly default: RawModuleFactory }> {
  try {
    return await GLUES[flavour]();
  } catch (error) {
    throw (await runtime.explainGlue?.(flavour, error)) ?? error;
  }
}

/** Throws nothing: the glue calls it from within wasm. */
function startThread(script: URL | undefined, events: FailureEvents): ThreadWorker {
  try {
    return runtime.startThread(script, events);
  } catch (error) {
    queueMicrotask(() => {
      events.onFailure(error);
    });
    const nothing = (): void => undefined;
    return { onmessage: null, postMessage: nothing, addEventListener: nothing, terminate: nothing };
  }
}

function instantiate(
  compiled: WebAssembly.Module,
  imports: WasmObject,
  receive: (instance: WasmObject, compiled: WasmObject) => void,
  attempt: Attempt,
): Record<string, never> {
  WebAssembly.instantiate(compiled, imports as WebAssembly.Imports)
    .then((instance) => {
      receive(instance, compiled);
    })
    .catch((error: unknown) => {
      attempt.failed('the module could not be instantiated', policyFault(error) ?? error);
    });
  return {};
}

/** A function of its own: the closures of `start`, which the module holds, must not hold the guarded one. */
function handOut(life: ModuleLife, backend: Backend, workers: WorkerPool | null): Started {
  const module = guardedModule(life);
  const createWindows = (least: number): WindowPool =>
    workers === null
      ? createWindowPool(module, least)
      : createTransferredWindows(workers, Math.max(least, workers.count + SPARE_WINDOWS));
  return { module, backend, createWindows };
}

const poolOf = (count: number, script: URL | undefined, attempt: Attempt): WorkerPool =>
  new WorkerPool(
    count,
    script,
    attempt.eventsOf('a worker failed').onFailure,
    () => attempt.error('disposed') ?? new QuantizeError('disposed'),
  );

/** A module, which may fail behind the back of the promises that it gave. */
class Attempt {
  #fail: ((error: unknown) => void) | null = null;
  #life: ModuleLife | null = null;
  #abandoned = false;
  #moduleError: QuantizeError | null = null;
  /** What to say besides when it does not start. */
  hint = '';

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
  failed(what: string, cause: unknown): void {
    const detail = `${what}: ${messageOf(cause)}`;
    this.#moduleError ??= asQuantizeError(cause, 'internal', { detail });
    this.#fail?.(asQuantizeError(cause, 'startup_failed', { detail: `${detail}${this.hint}` }));
    this.#life?.end();
  }

  /** For who tells of a thread or worker. */
  eventsOf(detail: string): FailureEvents {
    return {
      onFailure: (error) => {
        this.failed(detail, error);
      },
    };
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

async function withTimeLimit<T>(milliseconds: number, attempt: Attempt, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const detail = `it was not ready after ${String(milliseconds)} ms${attempt.hint}`;
      reject(new QuantizeError('startup_failed', { detail }));
    }, milliseconds);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}
