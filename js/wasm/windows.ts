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

/** Views on the window's output, valid until it is released or used again. */
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
  encodedInput(
    weights: number,
    encoding: Encoding,
  ): { packed: Uint8Array; scales: Float32Array; zeroPoints: Uint8Array };
  /** Restores `weights` elements as `target`; the view is valid until the window is released or used again. */
  decode(weights: number, encoding: Encoding, target: FloatType): Promise<Uint8Array>;
  release(): void;
}

/** Lends out windows; `acquire` waits until one is free. Implemented over the wasm heap by `createWindowPool`. */
export interface WindowPool {
  /** How many windows there are: the depth to pipeline to. */
  readonly count: number;
  acquire(signal?: AbortSignal): Promise<HeapWindow>;
  /** The one scale of a tensor whose range is known. */
  affineScale(
    range: WeightRange,
    bits: number,
    symmetric: boolean,
  ): { readonly scale: number; readonly zeroPoint: number };
  packedBytes(weights: number, bits: number): number;
}
