/** What the compiled module offers (src/bindings). `arrowquant/wasm` hands it out behind guarded-module.ts. */

import type { CodecTraits } from '../codecs/codec.js';
import type { WeightArray } from '../weight-arrays.js';

/** A layer to quantize: its weights, and their shape when they are not one-dimensional. */
export type RawWeights = WeightArray | { readonly data: WeightArray; readonly shape: readonly number[] };

/** A quantized layer, as `quantizeBatchWithProgress` returns it. */
export interface RawQuantizedLayer {
  readonly quantizedData: Uint8Array;
  readonly scales: Float32Array;
  readonly zeroPoints: Uint8Array;
  readonly shape: number[];
  readonly bitWidth: number;
  /** 0: one group spans the whole tensor. */
  readonly groupSize: number;
  readonly symmetric: boolean;
}

/** Result of a raw batch: layers in sorted name order; `failures` is empty unless `continueOnError` was set. */
export type RawBatchResult = Map<string, RawQuantizedLayer> & { readonly failures: Map<string, Error> };

export interface RawBatchOptions {
  /** 32, 64, 128, 256, or 0 for the whole tensor. Default 128. */
  readonly groupSize?: number;
  readonly symmetric?: boolean;
  /** 0: the formula's own scales; 2: those that a search finds to lose least. Default 0. */
  readonly effort?: number;
  readonly continueOnError?: boolean;
  /** The caller gives its buffers up: those that can be transferred are detached, the others are read where they are. */
  readonly transfer?: boolean;
  /** Results of an earlier batch, by layer, whose arrays are written again where they have the right length. */
  readonly output?: ReadonlyMap<string, Pick<RawQuantizedLayer, 'quantizedData' | 'scales' | 'zeroPoints'>>;
  /** Set `cancelled`, then call `wake()`: the promise rejects with the code `aborted`. */
  readonly cancellation?: { cancelled: boolean };
}

/** The places of words in the records of `submit`, by name; the build writes js/wasm/job-words.ts from them. */
export interface RawJobWords {
  readonly verbs: Readonly<Record<string, number>>;
  readonly job: Readonly<Record<string, number>>;
  readonly operand: Readonly<Record<string, number>>;
  readonly outcome: Readonly<Record<string, number>>;
}

export type ProgressCallback = (layer: string, progress: number) => unknown;

/**
 * What callers get. After `dispose`, or when the module has failed, its promises reject with `disposed` (or with what went
 * wrong); the functions that give something at once throw it; `wake`, `release` and `dispose` do nothing. Numbers that
 * cannot be are refused with `invalid_option` or `invalid_bit_width`.
 *
 * The arrays that a call is given are read, in turns, until its promise settles: do not change them before. A module that
 * nobody holds any more ends its threads by itself once its calls have settled.
 */
export interface RawModule {
  readonly HEAPU8: Uint8Array;
  /**
   * Worker threads of this instance, as many as the factory's `threads` asked for; in the single-threaded build the
   * `workers` that it was given.
   */
  threadCount(): number;
  /** Starts the threads; resolves when all of them have reported in. Without it they start with the first call. */
  start(): Promise<void>;
  /**
   * Quantizes every layer of `weights` to `bits` (2, 4 or 8). Never throws; all failures reject with an `Error` that has
   * `code`, and `layer` and `index` where there are any. `callback` may be null or absent.
   */
  quantizeBatchWithProgress(
    weights: ReadonlyMap<string, RawWeights>,
    bits: number,
    callback?: ProgressCallback | null,
    options?: RawBatchOptions,
  ): Promise<RawBatchResult>;
  /** Restores the weights of one layer. */
  dequantize(layer: RawQuantizedLayer, cancellation?: { cancelled: boolean }): Promise<Float32Array>;
  /** Encodes to a block format; `data.length` must be whole blocks (the caller checks rows). */
  encodeBlocks(data: WeightArray, format: string, cancellation?: { cancelled: boolean }): Promise<Uint8Array>;
  decodeBlocks(blocks: Uint8Array, format: string, cancellation?: { cancelled: boolean }): Promise<Float32Array>;
  /** What weights can be stored as. */
  codecs(): CodecTraits[];
  /** What the codes of outcomes are called, in their order. */
  statuses(): string[];
  jobWords(): RawJobWords;
  /** Heap memory, 64-byte aligned; 0 when there is none left. */
  allocate(bytes: number): number;
  /** Gives back what `allocate` gave. */
  release(address: number): void;
  /**
   * Has the pool do what `count` records in the heap ask for, all of f64 words, from the byte `records` on; `jobWords` says
   * where each word lies. For this package's own windows: it changes without notice. They are read at once. What became of each goes to
   * `outcomes`, which must stay allocated until then, as all that the records name. Resolves to the index of the first that
   * has failed, or -1. Rejects with `invalid_option` where one cannot be done, or not all of its memory is in the heap, and
   * then does none of them; with `out_of_memory` and with `disposed`.
   */
  submit(records: number, count: number, outcomes: number): Promise<number>;
  /** Has the batches look at their cancellation flags in the next turn of the event loop. */
  wake(): void;
  /** Stops the threads; pending promises reject with the code `disposed`. */
  dispose(): void;
}

/** The module itself, as the glue gives it: it trusts its caller. */
export interface CompiledModule extends RawModule {
  /** Executes what the instance of a page, whose `workers` has sent it here, has put into a parcel. Single-threaded build. */
  executeParcel(parcel: ArrayBuffer): void;
}

/** Workers that execute chunks for a single-threaded instance, each on an instance of its own. */
export interface ParcelWorkers {
  readonly count: number;
  /** Has `receive` called with the parcels that have been executed. */
  onParcels(receive: (parcels: readonly ArrayBuffer[]) => void): void;
  /** Transfers parcels to workers. `quick`: the calling thread is as busy with them as a worker. */
  send(parcels: readonly ArrayBuffer[], quick: boolean): void;
  /** The module has been disposed of. */
  dispose(): void;
}

/** A value of the namespace WebAssembly, whose types only the library "dom" has: programs for Node need not know it. */
export type WasmObject = object;

/** What the glue takes for a thread: the part of the Worker of browsers that it uses. It does not keep the process alive. */
export interface ThreadWorker {
  /** Set by the glue, to a function that takes an event with `data`. */
  onmessage: unknown;
  postMessage(message: unknown): void;
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  terminate(): void;
}

/** What the factory of the glue takes. */
export interface RawModuleOptions {
  /** Pool threads, 1 to 64; for the build with threads. */
  readonly threads?: number;
  /** Makes the errors that promises reject with; without it they are plain `Error`s with `code`, `layer` and `index`. */
  readonly makeError?: (
    code: string,
    layer: string | null,
    index: number | null,
    detail: string | null,
    cause?: unknown,
  ) => Error;
  /** Copies a caller's bytes into the heap; default `target.set(source)`. */
  readonly copyIn?: (target: Uint8Array, source: Uint8Array) => void;
  /** Starts a worker that runs this glue under the name of its threads; for the build with threads. */
  readonly startThread?: () => ThreadWorker;
  /** The module has come to an end in the middle of something; what called it gets an exception. */
  readonly onAbort?: (what: unknown) => void;
  /** Single-threaded build: who executes the chunks of batches; without them the calling thread does. */
  readonly workers?: ParcelWorkers;
  /** Instantiates the wasm, which the glue does not know, and passes the instance on to `receive`. */
  readonly instantiateWasm: (
    imports: WasmObject,
    receive: (instance: WasmObject, compiled: WasmObject) => void,
  ) => Record<string, never>;
  /** Prints what goes wrong; the console without it. */
  readonly printErr?: (text: string) => void;
}

export type RawModuleFactory = (options: RawModuleOptions) => Promise<CompiledModule>;
