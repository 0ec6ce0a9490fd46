import { runtime } from '#runtime';
import type { AbortActions } from '../abort-actions.js';
import { reading } from '../checks.js';
import type { GivenConversionOptions } from '../convert/convert-file.js';
import type { ConvertFileOptions } from '../convert/options.js';
import { QuantizeError, asQuantizeError } from '../errors.js';
import type { FileAccess } from '../io/byte-io.js';
import { unlessAborted } from '../io/unless-aborted.js';
import { readFileOptions, readWebOptions } from '../options/files.js';
import { part } from '../part.js';
import type { FileTools } from '../pipeline/tools.js';
import type { WindowPool } from '../wasm/windows.js';
import type * as work from './file-work.js';

/** What works on files. */
export type FileWork = typeof work;

/** Windows for file work: one to read into, one to encode, one to write from, and one to spare. */
const WINDOWS = 4;

/** Both are of no use to who has no files. */
const loadWork = (): Promise<readonly [FileWork, FileAccess]> =>
  Promise.all([part(() => import('./file-work.js')), part(() => runtime.loadFiles())]);

/** The calls of one quantizer that work on files. What works on them is loaded by the first one. */
export class FileCalls {
  readonly #createWindows: (least: number) => WindowPool;
  readonly #aborts: AbortActions;
  /** Ends the calls that are pending. */
  readonly #pending = new Set<AbortController>();
  #windows: WindowPool | null = null;
  #disposed = false;

  constructor(createWindows: (least: number) => WindowPool, aborts: AbortActions) {
    this.#createWindows = createWindows;
    this.#aborts = aborts;
  }

  checkAlive(): void {
    if (this.#disposed) throw new QuantizeError('disposed');
  }

  /** Runs a call that only reads files. */
  async reading<Result>(
    options: ConvertFileOptions | null | undefined,
    run: (work: FileWork, tools: FileTools) => Promise<Result>,
  ): Promise<Result> {
    const result = await this.run(options, run);
    this.checkAlive();
    return result;
  }

  /**
   * Runs a call that works on files; its signal fires with the caller's, when the quantizer is disposed, and on failure.
   * The options are read before anything is waited for.
   */
  async run<Result>(
    options: ConvertFileOptions | null | undefined,
    run: (work: FileWork, tools: FileTools, options: GivenConversionOptions) => Promise<Result>,
  ): Promise<Result> {
    const [given, web] = reading('invalid_option', () => [readFileOptions(options), readWebOptions(options)] as const);
    // Reading the arguments may have run the caller's code.
    this.checkAlive();
    const call = this.controller();
    const { signal } = call;
    const fail = (error: unknown): void => {
      call.abort(error);
    };
    const forward = (): void => {
      fail(new QuantizeError('aborted', { cause: given.signal?.reason }));
    };
    if (given.signal?.aborted === true) forward();
    const revoke = this.#aborts.add(given.signal ?? undefined, forward);
    try {
      const [loaded, access] = await unlessAborted(signal, loadWork);
      this.#windows ??= this.#createWindows(WINDOWS);
      const files: FileAccess = { ...access, openSource: (source, ends) => access.openSource(source, ends, web) };
      return await run(loaded, { pool: this.#windows, files, signal, fail }, { ...given, signal });
    } catch (error) {
      // Whatever has failed: nothing of the call goes on.
      fail(error);
      this.checkAlive();
      throw asQuantizeError(error, 'internal');
    } finally {
      this.forget(call);
      revoke();
    }
  }

  /** Fires when the quantizer is disposed; to be forgotten when nothing waits for it any more. */
  controller(): AbortController {
    const controller = new AbortController();
    this.#pending.add(controller);
    return controller;
  }

  forget(controller: AbortController): void {
    this.#pending.delete(controller);
  }

  dispose(): void {
    this.#disposed = true;
    for (const call of this.#pending) call.abort(new QuantizeError('disposed'));
  }
}
