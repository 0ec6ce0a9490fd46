import { runtime } from '#runtime';
import type { AbortActions } from '../abort-actions.js';
import { reading } from '../checks.js';
import type { GivenConversionOptions } from '../convert/convert-file.js';
import type { ConvertFileOptions } from '../convert/options.js';
import { QuantizeError, asQuantizeError } from '../errors.js';
import { readFileOptions } from '../options/files.js';
import { CONVERT_OPTIONS, pickOptions } from '../options/names.js';
import type { FileTools } from '../pipeline/tools.js';
import type { WindowPool } from '../wasm/windows.js';

/** Windows for file work: one to read into, one to encode, one to write from, and one to spare. */
const WINDOWS = 4;

/** The calls of one quantizer that work on files. */
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
    run: (tools: FileTools) => Promise<Result>,
  ): Promise<Result> {
    const result = await this.run(options, run);
    this.checkAlive();
    return result;
  }

  /** Runs a call that works on files; its signal fires with the caller's, when the quantizer is disposed, and on failure. */
  async run<Result>(
    options: ConvertFileOptions | null | undefined,
    run: (tools: FileTools, options: GivenConversionOptions) => Promise<Result>,
  ): Promise<Result> {
    const [given, web] = reading('invalid_option', () => {
      const read = pickOptions<ConvertFileOptions>(options, CONVERT_OPTIONS);
      return [readFileOptions(read), read] as const;
    });
    // Reading the arguments may have run the caller's code.
    this.checkAlive();
    const files: FileTools['files'] = {
      openSource: (source, signal) => runtime.files.openSource(source, signal, web),
      openSink: (sink, plan) => runtime.files.openSink(sink, plan),
    };
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
      this.#windows ??= this.#createWindows(WINDOWS);
      return await run({ pool: this.#windows, files, signal, fail }, { ...given, signal });
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
