/** What the compiled module offers (src/bindings). `arrowquant/wasm` hands it out behind guarded-module.ts. */

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
  readonly continueOnError?: boolean;
  /** The caller gives its buffers up: those that can be transferred are detached, the others are read where they are. */
  readonly transfer?: boolean;
  /** Results of an earlier batch, by layer, whose arrays are written again where they have the right length. */
  readonly output?: ReadonlyMap<string, Pick<RawQuantizedLayer, 'quantizedData' | 'scales' | 'zeroPoints'>>;
  /** Set `cancelled`, then call `wake()`: the promise rejects with the code `aborted`. */
  readonly cancellation?: { cancelled: boolean };
}

/** A llama.cpp block format. */
export interface RawBlockFormat {
  readonly name: string;
  readonly ggmlType: number;
  readonly blockWeights: number;
  readonly blockBytes: number;
}

export type ProgressCallback = (layer: string, progress: number) => unknown;

/** Element types that the kernels read and write. */
export type FloatType = 'F32' | 'F16' | 'BF16';

/** Element types that they read: `F8_E4M3` is float8_e4m3fn (no infinities), `F8_E5M2` the upper byte of an F16. */
export type WeightType = FloatType | 'F8_E4M3' | 'F8_E5M2';

/** One operation on heap memory; addresses are byte offsets in the heap. */
export interface RawJob {
  readonly operation:
    | 'encode-affine'
    | 'encode-affine-scaled'
    | 'scan-affine'
    | 'decode-affine'
    | 'encode-block'
    | 'decode-block'
    | 'convert';
  readonly weights: number;
  /** First input byte: weights as `source` and `sourceFormat` say (encode, scan, convert), or levels / blocks (decode). */
  readonly input: number;
  readonly source: WeightType;
  /** What each weight of the input is multiplied with, in f32; 1 when absent. Not for blocks. */
  readonly sourceScale?: number;
  /** Name of the block format that the input is in, whatever `source` is; absent or '' for floats. */
  readonly sourceFormat?: string;
  /** First output byte: packed levels or blocks (encode), floats of type `target` (decode, convert). */
  readonly output: number;
  readonly target: FloatType;
  readonly scales: number;
  readonly zeroPoints: number;
  readonly bits: number;
  readonly groupSize: number;
  readonly symmetric: boolean;
  readonly scale: number;
  readonly zeroPoint: number;
  /** Name of the block format, '' for the affine operations. */
  readonly format: string;
  /** Whether to decode again and measure what was lost (encode operations and `convert`). */
  readonly measure: boolean;
  /** `convert` only: fail for weights that are NaN or infinite, or that `target` cannot hold. */
  readonly checked?: boolean;
}

/** Outcome of a job. `code` is a StatusCode of src/base/status.h, `position` an index into the job's weights. */
export interface RawJobResult {
  readonly code: number;
  readonly position: number;
  readonly squaredError: number;
  readonly squaredOriginal: number;
  readonly squaredRestored: number;
  readonly dot: number;
  readonly maxError: number;
  /** `scan-affine` only. */
  readonly lo: number;
  readonly hi: number;
  readonly extreme: number;
}

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
  blockFormats(): RawBlockFormat[];
  /** Bytes of `weights` packed levels. */
  affinePackedBytes(weights: number, bits: number): number;
  /** The one scale of a tensor, from the merged ranges of its pieces. */
  affineScale(
    range: { readonly lo: number; readonly hi: number; readonly extreme: number },
    bits: number,
    symmetric: boolean,
  ): { readonly scale: number; readonly zeroPoint: number };
  /** Heap memory, 64-byte aligned; 0 when there is none left. */
  allocate(bytes: number): number;
  /** Gives back what `allocate` gave. */
  release(address: number): void;
  /**
   * Runs one job on the pool. Rejects with `invalid_option` when it is none, or when not all of its memory is in the heap,
   * with `out_of_memory` and with `disposed`; else it resolves.
   */
  submit(job: RawJob): Promise<RawJobResult>;
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

/** What the factory of the glue takes. */
export interface RawModuleOptions {
  /** Pool threads, 1 to 64. Default: the machine's cores. */
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
  /** A worker thread has ended with an error: work that it had never ends. Without it the error is thrown. */
  readonly onThreadFailure?: (error: unknown) => void;
  /** The module has come to an end in the middle of something; what called it gets an exception. */
  readonly onAbort?: (what: unknown) => void;
  /** Single-threaded build: who executes the chunks of batches; without them the calling thread does. */
  readonly workers?: ParcelWorkers;
  /** Single-threaded build: is given what the wasm was compiled to. */
  readonly onCompiled?: (compiled: WasmObject) => void;
  /** Instantiates the wasm instead of the glue, and passes the instance on to `receive`. */
  readonly instantiateWasm?: (imports: WasmObject, receive: (instance: WasmObject) => void) => Record<string, never>;
  readonly locateFile?: (path: string, directory: string) => string;
  readonly wasmBinary?: ArrayBuffer | Uint8Array;
}

export type RawModuleFactory = (options?: RawModuleOptions) => Promise<CompiledModule>;
