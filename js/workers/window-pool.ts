import type { Codec } from '../codecs/codec.js';
import { QuantizeError } from '../errors.js';
import { lendWindows } from '../wasm/lending.js';
import { WindowViews } from '../wasm/window-pool.js';
import {
  BundleError,
  WINDOW_BYTES,
  type BundlePart,
  type ErrorSums,
  type HeapWindow,
  type SourceCodec,
  type TranscodeOptions,
  type TranscodedWindow,
  type WeightRange,
  type WindowComparison,
  type WindowPool,
} from '../wasm/windows.js';
import type { WindowCall, WindowFailure, WindowResult } from './messages.js';
import type { WorkerPool } from './worker-pool.js';

/** Memory of the page; a worker's while that works on it. */
class PageMemory {
  /** Made when the window is used for the first time. */
  #buffer: ArrayBuffer | null = null;

  get buffer(): ArrayBuffer {
    try {
      return (this.#buffer ??= new ArrayBuffer(WINDOW_BYTES));
    } catch (cause) {
      throw new QuantizeError('out_of_memory', { cause });
    }
  }

  /** It has come back. */
  set buffer(buffer: ArrayBuffer) {
    this.#buffer = buffer;
  }
}

/** A window on memory of the page that is transferred to a worker, and back, for all that is to be computed. */
class TransferredWindow extends WindowViews implements HeapWindow {
  readonly #workers: WorkerPool;
  readonly #memory: PageMemory;

  constructor(workers: WorkerPool) {
    const memory = new PageMemory();
    super(() => new Uint8Array(memory.buffer), 0);
    this.#workers = workers;
    this.#memory = memory;
  }

  async transcode(
    weights: number,
    source: SourceCodec,
    target: Codec,
    options: TranscodeOptions = {},
  ): Promise<TranscodedWindow> {
    const { errors } = await this.#call({ method: 'transcode', weights, source, target, options: sendable(options) });
    return { planes: this.output(weights, target), error: given(errors)[0] ?? null };
  }

  async transcodeBundle(parts: readonly BundlePart[]): Promise<readonly (ErrorSums | null)[]> {
    const own = parts.map((part) => (part.options === undefined ? part : { ...part, options: sendable(part.options) }));
    return given((await this.#call({ method: 'bundle', parts: own })).errors);
  }

  async scan(weights: number, source: SourceCodec): Promise<WeightRange> {
    return given((await this.#call({ method: 'scan', weights, source })).range);
  }

  async compare(weights: number, a: SourceCodec, b: SourceCodec): Promise<WindowComparison> {
    return given((await this.#call({ method: 'compare', weights, a, b })).comparison);
  }

  async #call(call: WindowCall): Promise<WindowResult> {
    const { outcome, memory } = await this.#workers.run(call, this.#memory.buffer);
    this.#memory.buffer = memory;
    if (outcome.ok) return outcome.result;
    throw errorOf(outcome.failure);
  }
}

/** A message takes all of the buffer that an array lies in along. */
function sendable(options: TranscodeOptions): TranscodeOptions {
  const { importance } = options;
  return importance === undefined ? options : { ...options, importance: importance.slice() };
}

function given<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new QuantizeError('internal', { detail: 'a worker has not told what it found' });
  return value;
}

function errorOf({ code, index, detail, part }: WindowFailure): QuantizeError {
  const about = { ...(index !== undefined && { index }), ...(detail !== undefined && { detail }) };
  return part === undefined ? new QuantizeError(code, about) : new BundleError(code, about, part);
}

/** `count` windows (9 MiB each, once they are used) whose work `workers` do. */
export function createTransferredWindows(workers: WorkerPool, count: number): WindowPool {
  return lendWindows(Array.from({ length: count }, () => new TransferredWindow(workers)));
}
