import type { Codec } from '../codecs/codec.js';
import { QuantizeError, type ErrorDetails, type QuantizeErrorCode } from '../errors.js';

/** Weights that fit into one window. */
export const WINDOW_WEIGHTS = 1 << 20;

/** Memory of one window: an input and an output half, each with room for the planes of WINDOW_WEIGHTS weights. */
export const WINDOW_BYTES = 9 * 2 ** 20;

/** What weights are before. `scale` is what each is multiplied with, in f32, once it is decoded; default 1. */
export interface SourceCodec {
  readonly codec: Codec;
  /** The tensor's scale in checkpoints of scaled fp8. */
  readonly scale?: number | undefined;
}

/** Sums over weights, to be added up over a tensor's windows in order. */
export interface ErrorSums {
  readonly squaredError: number;
  readonly squaredOriginal: number;
  readonly squaredRestored: number;
  readonly dot: number;
  readonly maxError: number;
  /**
   * Where more than the least effort was made: the squared error, weighed by importance, and what the least effort's would
   * have been; else 0.
   */
  readonly weightedError: number;
  readonly referenceError: number;
}

/** Extent of a set of weights; `extreme` is the first value of largest magnitude, with its sign. */
export interface WeightRange {
  readonly lo: number;
  readonly hi: number;
  readonly extreme: number;
}

export interface TranscodeOptions {
  /** Decodes again, and sums up what was lost. Default false. */
  readonly measure?: boolean | undefined;
  /**
   * Where the target is a float type: refuses with `float_overflow` finite weights that it cannot hold, and with
   * `not_finite` those that are not. Default false: floats may become infinite, and NaN stays NaN. The other codecs
   * always refuse what is not finite.
   */
  readonly checked?: boolean | undefined;
  /**
   * Where the target is Q8_0: what it cannot hold is not refused, but has an infinite scale, or one that is NaN, as gguf-py
   * encodes it. Default false. The other codecs refuse it all the same.
   */
  readonly overflows?: boolean | undefined;
  /** The extent of the whole tensor, where the target needs it (`needsRange`). */
  readonly range?: WeightRange | undefined;
  /**
   * How much each column of a row counts, for codecs that use it; `rowWeights` of them for each matrix. Where the target works
   * across rows: how much each row of the tensor counts.
   */
  readonly importance?: Float32Array | undefined;
  /** Rows that have their importance in common; default: all. */
  readonly matrixRows?: number | undefined;
  /** Weights of a row; needed where the target encodes whole rows, or with `importance`. */
  readonly rowWeights?: number | undefined;
  /** The row of the first weight; default 0. */
  readonly firstRow?: number | undefined;
  /** Its column; default 0, which it is where the target encodes whole rows. */
  readonly firstColumn?: number | undefined;
  /**
   * Rows of the tensor, where the target works across rows (`acrossRows`): those from there on are zeros that fill up the last
   * block. Default: there are none.
   */
  readonly rows?: number | undefined;
  /** Place in EFFORTS; default 0, the least. */
  readonly effort?: number | undefined;
}

/** Views on the window's output, valid until the lease ends or the window is used again. */
export interface TranscodedWindow {
  readonly planes: readonly Uint8Array[];
  readonly error: ErrorSums | null;
}

/** What two sets of weights have in common. */
export interface WindowComparison {
  /** All values are equal. NaN equals NaN, and 0 equals -0. */
  readonly equal: boolean;
  /** All values of both are finite. */
  readonly finite: boolean;
  /** What `b` has lost of `a`; of no meaning unless `finite`. */
  readonly error: ErrorSums;
}

/**
 * One tensor of a bundle, or a stretch of one: offsets count from the beginning of the input and of the output half, one
 * for each plane, and must be multiples of the plane's element size. Where `target` needs a range and is told none, it is found here.
 */
export interface BundlePart {
  readonly weights: number;
  readonly source: SourceCodec;
  readonly inputOffsets: readonly number[];
  readonly target: Codec;
  readonly outputOffsets: readonly number[];
  readonly options?: TranscodeOptions | undefined;
}

/** What a bundle rejects with: `index` counts within the part. */
export class BundleError extends QuantizeError {
  /** Index of the part that failed; the first one of several. */
  readonly part: number;

  constructor(code: QuantizeErrorCode, about: ErrorDetails, part: number) {
    super(code, about);
    this.part = part;
  }
}

/**
 * A stretch of heap that file code fills with up to WINDOW_WEIGHTS weights and has transcoded on the pool.
 * The views lie on memory that threads share: read and write them with fs or FileHandle calls, `set` and `slice`; copy
 * before handing them to Blob, Response, TextDecoder or crypto.
 * All methods reject with a `QuantizeError` whose `index` counts from the window's first weight: `not_finite`,
 * `scale_overflow`, `float_overflow` (`detail` names the target), and `invalid_file` for planes that no encoder writes.
 */
export interface HeapWindow {
  /** The planes of `weights` weights at the beginning of the window's input, one view each, to be filled. */
  input(weights: number, codec: Codec): readonly Uint8Array[];
  /** The same in the output half: what `transcode` wrote, or the second side of `compare`. */
  output(weights: number, codec: Codec): readonly Uint8Array[];
  /** All of the input half, for bundles and copies. */
  inputBytes(): Uint8Array;
  /** All of the output half. */
  outputBytes(): Uint8Array;
  /** Makes the first `weights` weights of `input` the target's planes in `output`. */
  transcode(weights: number, source: SourceCodec, target: Codec, options?: TranscodeOptions): Promise<TranscodedWindow>;
  /**
   * Many small tensors in one go; one entry for each, null where it was not measured. Rejects with a `BundleError`.
   */
  transcodeBundle(parts: readonly BundlePart[]): Promise<readonly (ErrorSums | null)[]>;
  /** Range of the first `weights` weights of `input`. */
  scan(weights: number, source: SourceCodec): Promise<WeightRange>;
  /** `a` lies in the input, `b` in the output. */
  compare(weights: number, a: SourceCodec, b: SourceCodec): Promise<WindowComparison>;
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
}
