import { QuantizeError } from '../errors.js';
import { lendWindows } from '../wasm/lending.js';
import type { FloatType, RawModule } from '../wasm/module.js';
import { WINDOW_BYTES, windowError, windowOver } from '../wasm/window-pool.js';
import type {
  EncodedViews,
  EncodedWindow,
  Encoding,
  HeapWindow,
  WeightRange,
  WeightSource,
  WindowPool,
} from '../wasm/windows.js';
import type { WindowCall, WindowResult } from './messages.js';
import type { WorkerPool } from './worker-pool.js';

/** What a scan looks for has nothing to do with what the weights become. */
const ANY: Encoding = { kind: 'float', type: 'F32' };

/** A window on memory of the page, which is at a worker's while that encodes or decodes. */
class TransferredWindow implements HeapWindow {
  readonly #workers: WorkerPool;
  readonly #module: RawModule;
  /** Made when the window is used for the first time. */
  #buffer: ArrayBuffer | null = null;

  constructor(workers: WorkerPool, module: RawModule) {
    this.#workers = workers;
    this.#module = module;
  }

  input(weights: number, source: WeightSource): Uint8Array {
    return this.#views().input(weights, source);
  }

  async encode(weights: number, source: WeightSource, encoding: Encoding, measure: boolean): Promise<EncodedWindow> {
    const { error } = await this.#call({ method: 'encode', weights, source, encoding, measure }, encoding);
    return { ...this.encodedInput(weights, encoding), error };
  }

  async scan(weights: number, source: WeightSource): Promise<WeightRange> {
    const { range } = await this.#call({ method: 'scan', weights, source }, ANY);
    if (range === null) throw new QuantizeError('internal', { detail: 'a scan without a range' });
    return range;
  }

  encodedInput(weights: number, encoding: Encoding): EncodedViews {
    return this.#views().encodedInput(weights, encoding);
  }

  async decode(weights: number, encoding: Encoding, target: FloatType): Promise<Uint8Array> {
    await this.#call({ method: 'decode', weights, encoding, target }, encoding);
    return this.input(weights, { kind: 'float', type: target });
  }

  async #call(call: WindowCall, encoding: Encoding): Promise<WindowResult> {
    const { outcome, memory } = await this.#workers.run(call, this.#memory());
    this.#buffer = memory;
    if (outcome.ok) return outcome;
    const { code, index, message } = outcome;
    throw code === 'internal' ? new QuantizeError(code, { detail: message }) : windowError(code, index, encoding);
  }

  #memory(): ArrayBuffer {
    try {
      return (this.#buffer ??= new ArrayBuffer(WINDOW_BYTES));
    } catch (cause) {
      throw new QuantizeError('out_of_memory', { cause });
    }
  }

  #views(): HeapWindow {
    return windowOver(new Uint8Array(this.#memory()), this.#module);
  }
}

/** `count` windows (9 MiB each, once they are used) whose work `workers` do; `module` knows the sizes. */
export function createTransferredWindows(workers: WorkerPool, module: RawModule, count: number): WindowPool {
  const windows = Array.from({ length: count }, () => new TransferredWindow(workers, module));
  return lendWindows(windows, module);
}
