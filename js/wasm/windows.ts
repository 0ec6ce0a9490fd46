import type { FloatType, WeightType } from './module.js';

/** Weights that fit into one window. */
export const WINDOW_WEIGHTS = 1 << 20;

/** About what a window takes of the memory: its weights as f32, and as much again for what they become. */
export const WINDOW_BYTES = 9 * 2 ** 20;

/**
 * What a window's weights are before. `scale` is what each is multiplied with, in f32, before anything else is done with
 * it: the tensor's scale in checkpoints of scaled fp8; default 1. `format` is the name of a block format.
 */
export type WeightSource =
  | { readonly kind: 'float'; readonly type: WeightType; readonly scale?: number }
  | { readonly kind: 'block'; readonly format: string };

/**
 * What a window's weights become. `groupSize` is 32, 64, 128 or 256. Unless `checked` is set, floats may become infinite
 * and NaN stays NaN; when it is, they are refused with `float_overflow` (a finite weight that `type` cannot hold) and
 * `not_finite`. The other encodings always refuse what is not finite.
 */
export type Encoding =
  | { readonly kind: 'affine'; readonly bits: number; readonly groupSize: number; readonly symmetric: boolean }
  | { readonly kind: 'affine-scaled'; readonly bits: number; readonly scale: number; readonly zeroPoint: number }
  | { readonly kind: 'block'; readonly format: string }
  | { readonly kind: 'float'; readonly type: FloatType; readonly checked?: boolean };

/** Sums over weights, to be added up over a tensor's windows in order. */
export interface ErrorSums {
  readonly squaredError: number;
  readonly squaredOriginal: number;
  readonly squaredRestored: number;
  readonly dot: number;
  readonly maxError: number;
}

/** Views on the window's output, valid until the lease ends or the window is used again. */
export interface EncodedWindow {
  readonly packed: Uint8Array;
  readonly scales: Float32Array;
  readonly zeroPoints: Uint8Array;
  readonly error: ErrorSums | null;
}

/** Extent of a set of weights; `extreme` is the first value of largest magnitude, with its sign. */
export interface WeightRange {
  readonly lo: number;
  readonly hi: number;
  readonly extreme: number;
}

/** Views on the encoded side of a window. */
export interface EncodedViews {
  readonly packed: Uint8Array;
  readonly scales: Float32Array;
  readonly zeroPoints: Uint8Array;
}

/**
 * A stretch of heap that file code fills with up to WINDOW_WEIGHTS weights and has encoded on the pool.
 * The views lie on memory that threads share: read and write them with fs or FileHandle calls, `set` and `slice`; copy
 * before handing them to Blob, Response, TextDecoder or crypto.
 * All methods reject with a `QuantizeError` whose `index` counts from the window's first weight.
 */
export interface HeapWindow {
  /** Where to put the bytes of `weights` weights before `encode` or `scan`; whole blocks where `source` is one. */
  input(weights: number, source: WeightSource): Uint8Array;
  /** Encodes the first `weights` weights of `input`. */
  encode(weights: number, source: WeightSource, encoding: Encoding, measure: boolean): Promise<EncodedWindow>;
  /** Range of the first `weights` weights (for one scale over a whole tensor). */
  scan(weights: number, source: WeightSource): Promise<WeightRange>;
  /** Views to fill before `decode`; `groupSize` 0 means one group for everything. */
  encodedInput(weights: number, encoding: Encoding): EncodedViews;
  /** Restores `weights` elements as `target`; the view is valid until the lease ends or the window is used again. */
  decode(weights: number, encoding: Encoding, target: FloatType): Promise<Uint8Array>;
}

/** A window for the length of a lease. */
export interface LeasedWindow extends HeapWindow {
  /**
   * Reads into the window's views, or writes from them. Whatever touches them goes through here: the lease lasts until all
   * that `begin` has begun is over. Rejects with the first failure, but not before the others are over, too; the lease's
   * `failed` hears of it at once, to end them.
   */
  transfer(begin: () => readonly Promise<void>[]): Promise<void>;
}

export interface LeaseOptions {
  /** Ends the wait for a window: rejects with `aborted`. */
  readonly signal?: AbortSignal | undefined;
  /** Called when a transfer has failed while others are under way. */
  readonly failed?: ((error: unknown) => void) | undefined;
}

/** Lends out windows. Implemented over the wasm heap by `createWindowPool`. */
export interface WindowPool {
  /** How many windows there are. */
  readonly count: number;
  /**
   * Waits for a free window, and settles as `work` on it does. The window is free again when `work` has settled and so has
   * everything that was begun on it: nothing can write to it that belongs to an earlier lease. A window must not be held
   * while something is waited for that depends on other people or other calls, such as a server or a stream's reader.
   */
  lease<Result>(work: (window: LeasedWindow) => Promise<Result>, options?: LeaseOptions): Promise<Result>;
  /** The one scale of a tensor whose range is known. */
  affineScale(
    range: WeightRange,
    bits: number,
    symmetric: boolean,
  ): { readonly scale: number; readonly zeroPoint: number };
  packedBytes(weights: number, bits: number): number;
}
