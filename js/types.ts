/** The public types. */

import type { Effort } from './codecs/codec.js';
import { CODECS, FILE_TYPES, type BlockType, type CodecName, type TensorType } from './codecs/table.js';
import type { ContainerName, InputContainerName } from './containers/table.js';
import type { QuantizeError } from './errors.js';
import type { LayoutName } from './layouts/table.js';
import type { ProgressCallback, WasmObject } from './wasm/module.js';
import type { HalfArray, WeightArray } from './weight-arrays.js';

export type { BlockType, CodecName, ContainerName, HalfArray, InputContainerName, LayoutName, TensorType };
export type { ProgressCallback, WeightArray };

/** Bits that a weight takes. */
export type BitWidth = 2 | 4 | 8;

/** Weights that share a scale: contiguous runs of the flattened row-major tensor, or the whole tensor. */
export type GroupSize = 32 | 64 | 128 | 256 | 'tensor';

/** What is quantized where nothing more precise is said: `diffusion` in groups of 128, `base` with one scale a tensor. */
export type Mode = 'diffusion' | 'base';

/** Bits and group size under one name: `edge` 2 bits in groups of 256, `local` 4 in 128, `cloud` 8 in 64. */
export type Profile = 'edge' | 'local' | 'cloud';

/**
 * How the work is done: by worker threads that share memory; by workers that each have a module of their own, between
 * which the data is moved (for pages that are not cross-origin isolated); or on the calling thread in stretches of a few
 * milliseconds.
 */
export type Backend = 'threads' | 'workers' | 'single';

export { FILE_TYPES };

/** What a GGUF file is quantized to, as llama.cpp names it: block format, and for K-quants how it is mixed with finer ones. */
export type FileType = (typeof FILE_TYPES)[number];

/** Of a GGUF that becomes another one: the type with which every tensor keeps its own. */
export const COPY = 'COPY';

export type CopyType = typeof COPY;

export const TENSOR_TYPES: readonly TensorType[] = CODECS.flatMap((codec) =>
  codec.encodes && !codec.foreign && codec.bits.length === 0 ? [codec.name as TensorType] : [],
);

/** The name of a type as callers write it. The case of its letters does not matter: `q4_k_m` is `Q4_K_M`. */
export type AnyCase<Name extends string> = Name | Lowercase<Name>;

/**
 * Architectures of diffusion models that ComfyUI-GGUF opens; `none` stands for a model of any kind, of which a file is made
 * that no program is known to open.
 */
export const ARCHITECTURES = [
  ...(['flux', 'sd1', 'sdxl', 'sd3', 'aura', 'hidream', 'cosmos', 'ltxv', 'hyvid', 'wan', 'lumina2'] as const),
  ...(['qwen_image', 'none'] as const),
] as const;

export type Architecture = (typeof ARCHITECTURES)[number];

/** Programs that GGUFs of diffusion models are made for: ComfyUI with ComfyUI-GGUF, or stable-diffusion.cpp and koboldcpp. */
export const PROGRAMS = ['comfyui', 'sd.cpp'] as const;

export type Program = (typeof PROGRAMS)[number];

/** Weights with their shape: sizes by dimension, the last one contiguous; their product is `data.length`. */
export interface ShapedWeights {
  readonly data: WeightArray;
  readonly shape: readonly number[];
}

/**
 * The weights of a layer. A bare array has the shape `[length]`. A `Float16Array` gives the bytes of the `Float32Array` of
 * its values, which is never made.
 */
export type Weights = WeightArray | ShapedWeights;

/**
 * A Table or RecordBatch of Apache Arrow, of any library with the same methods. Columns: `layer_name`, texts; `weights`, lists of
 * float32 or float16; `shape`, lists of whole numbers, which need not be there. Arrow's tables do not change; nor may what this one
 * lies in, until the call has settled.
 */
export interface ArrowTable {
  readonly schema: { readonly fields: readonly { readonly name: string }[] };
  readonly numRows: number;
  getChild(name: string): unknown;
}

/** A row of a table of quantized layers, told by its columns, which `toTable` lists. */
export type ArrowRow = { toJSON(): object } | Readonly<Record<QuantizedColumn, unknown>>;

/** The columns that a row must have for `dequantize`. */
export type QuantizedColumn = 'quantized_data' | 'scales' | 'zero_points' | 'shape' | 'bit_width';

/** The types of Apache Arrow, which `import 'arrowquant/arrow'` adds here as `table` and `recordBatch`. */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- where it is not imported, nobody needs them
export interface ArrowTypes {}

/** How a result becomes a table. */
export interface ArrowOptions {
  /** How zero points are stored, which are whole numbers from 0 to 255. Default `float32`. */
  readonly zeroPoints?: 'float32' | 'uint8' | null | undefined;
}

/** Weights by layer name: a Map, any iterable of pairs, a plain object, or an Arrow table. */
export type WeightsByName =
  ReadonlyMap<string, Weights> | Iterable<readonly [string, Weights]> | Readonly<Record<string, Weights>> | ArrowTable;

/** What a layer's weights become. With `groups = ceil(n / groupSize)` (1 for `'tensor'`, 0 when there are no weights): */
export interface QuantizedLayer {
  /** `ceil(n · bitWidth / 8)` bytes of levels, low bits first; unused high bits of the last byte are 0. */
  readonly quantizedData: Uint8Array;
  /** One a group, multiplied on decode; negative ones occur when `symmetric`. */
  readonly scales: Float32Array;
  /** One a group: the level of the weight 0. */
  readonly zeroPoints: Uint8Array;
  readonly shape: number[];
  readonly bitWidth: BitWidth;
  readonly groupSize: GroupSize;
  readonly symmetric: boolean;
  /**
   * Cosine of the angle between the weights and what they are restored to, in f64 over all of them: 1 where there are none or all of
   * both are zero, 0 where all of one are; null where a restored weight is beyond f32. Absent unless a floor had it measured.
   */
  readonly cosine?: number | null;
}

/**
 * `below_min_cosine`: a layer is further from its original than `minCosine` allows. `rule_without_match`: an entry of `layerBits`
 * fits no layer.
 */
export type BatchWarningCode = 'below_min_cosine' | 'rule_without_match';

/** What is likely to be a mistake, or costs quality, though the batch could be done. */
export interface BatchWarning {
  /** Stable; `message` is for people. */
  readonly code: BatchWarningCode;
  /** Null where it is about none of the layers. */
  readonly layer: string | null;
  readonly message: string;
}

/** Layers in sorted name order (by UTF-16 code units). */
export interface BatchResult extends Map<string, QuantizedLayer> {
  /** Layers that could not be quantized, and why; empty unless `continueOnError` was set. */
  readonly failures: Map<string, QuantizeError>;
  /** About `layerBits`, then about layers, in their order. Empty without `minCosine`, `fallback` and `layerBits`. */
  readonly warnings: readonly BatchWarning[];
  /**
   * A Table of Apache Arrow with a row, and a record batch, for every layer that is in this Map at the time: `layer_name` utf8,
   * `quantized_data` binary, `scales` list<float32>, `zero_points` list<float32>, `shape` list<int64>, `bit_width` uint8,
   * `group_size` uint32 (0: the whole tensor), `symmetric` bool. It lies in the layers' own arrays, but for zero points that become
   * floats: a batch that writes to these arrays again changes it.
   *
   * Needs `import 'arrowquant/arrow'`. Throws `arrow_missing` without it, `invalid_option`, and `out_of_memory` for a layer of
   * 2 GiB and more.
   */
  toTable(options?: ArrowOptions | null): ArrowTypes extends { readonly table: infer Table } ? Table : unknown;
  /** The same as one RecordBatch, all of them 2 GiB at most; the layers' arrays are copied into those of its columns. */
  toRecordBatch(
    options?: ArrowOptions | null,
  ): ArrowTypes extends { readonly recordBatch: infer RecordBatch } ? RecordBatch : unknown;
}

/** Arrays of an earlier result, to be written again. */
export type ReusableOutput = ReadonlyMap<string, Pick<QuantizedLayer, 'quantizedData' | 'scales' | 'zeroPoints'>>;

/** Options without a value, undefined or null, are as if they were not there; those of another name are refused. */
export interface CallOptions {
  /**
   * Rejects the call when it fires: with a `QuantizeError` of the code `aborted`, whose `cause` is the signal's reason (an
   * `AbortError` where the caller gave none). Once the call has settled it has no effect.
   */
  readonly signal?: AbortSignal | null | undefined;
}

export interface EncodeOptions extends CallOptions {
  /**
   * How much an error in each column of a row counts: as many numbers from 0 on as a row has weights, or, for stacked matrices
   * such as experts, as many for each of them. Default: all count the same.
   */
  readonly importance?: Float32Array | null | undefined;
  /** As for files. Default `reference`. */
  readonly effort?: Effort | null | undefined;
}

/** How much an error in each column counts, by the name of the layer or tensor. */
export type ImportanceByName =
  | ReadonlyMap<string, Float32Array>
  | Iterable<readonly [string, Float32Array]>
  | Readonly<Record<string, Float32Array>>;

/**
 * What no layer may be worse than: a cosine from 0 to 1 between weights and what they are restored to; such cosines by bits, where
 * bits that are left out have no floor; or that of a profile, `edge` 0.65, `local` 0.85, `cloud` 0.95.
 */
export type MinCosine = number | Profile | Readonly<Partial<Record<BitWidth, number | null | undefined>>>;

/**
 * Bits of some layers: by name, as a Map or a plain object; or as a list of pairs of a pattern and bits, of which the first that
 * fits counts. A pattern is a regular expression, the text of one, or `=` and a whole name, as in the rules for files.
 */
export type LayerBits =
  | ReadonlyMap<string, BitWidth>
  // An array is one of the iterables, but TypeScript 5.0 reads a list of pairs only where it is told of arrays.
  | readonly (readonly [RegExp | string, BitWidth])[]
  | Iterable<readonly [RegExp | string, BitWidth]>
  | Readonly<Record<string, BitWidth>>;

/** An accuracy floor. Without any of these nothing is measured, and nothing else changes. */
export interface FloorOptions {
  /**
   * The least cosine of a layer. Default, where one of the others is true: that of the profile that is in force, else by bits
   * `{ 2: 0.7, 4: 0.9, 8: 0.95 }`. What is below is kept, with a warning, unless one of the others says otherwise.
   */
  readonly minCosine?: MinCosine | null | undefined;
  /**
   * Whether a layer that is below is done again with the next finer bits (2, 4, 8), until it reaches the floor of those bits. What
   * none reach keeps its finest bits, with a warning. Default false.
   */
  readonly fallback?: boolean | null | undefined;
  /** Whether a layer that no bits bring to the floor fails with `below_min_cosine`, instead of giving a warning. Default false. */
  readonly failFast?: boolean | null | undefined;
}

export interface BatchOptions extends CallOptions, FloorOptions {
  /** Default: that of `profile`, else that of the quantizer's profile, else that of its mode. */
  readonly groupSize?: GroupSize | null | undefined;
  /** One signed scale around a fixed middle level instead of scale and zero point. Default false. */
  readonly symmetric?: boolean | null | undefined;
  /**
   * `best` searches each group for the scale and the zero point that lose least; no group loses more than without it. It takes
   * some ten times as long, and has no meaning for the group size `tensor`. Default `reference`: the formula.
   */
  readonly effort?: Effort | null | undefined;
  /**
   * With the effort `best`: how much an error in each column counts, by layer, as for files: one number from 0 on for each weight
   * of a row (the last dimension; a bare array is one row), or as many for each of stacked matrices. Layers that are not named
   * are made without it.
   */
  readonly importance?: ImportanceByName | null | undefined;
  /** Collect layers that fail in `failures` and go on. Default false: the first failure rejects the call. */
  readonly continueOnError?: boolean | null | undefined;
  /**
   * The caller gives its buffers up: they are detached as soon as the arguments have been found right. What cannot be
   * transferred (a SharedArrayBuffer, the memory of a WebAssembly module, Node's pool of small Buffers) stays as it is
   * and is read there. Default false: the weights are read, until the call settles, and left alone.
   */
  readonly transfer?: boolean | null | undefined;
  /**
   * Arrays to write the results to, by layer, usually an earlier batch's result. Layers that are missing get new arrays;
   * arrays of the wrong length, or that overlap each other or the weights, reject with the code `output_mismatch`.
   * With `fallback` a layer's arrays may have the length of any bits that it may get: where it gets others in the end it has new
   * arrays, and the contents of those that were given are unspecified, as all are when the call fails.
   */
  readonly output?: ReusableOutput | null | undefined;
  /**
   * Bits of some layers, whatever those of the batch are; `fallback` leaves them alone. What fits no layer gives a warning.
   */
  readonly layerBits?: LayerBits | null | undefined;
  /** Bits and group size; what is given explicitly (`bits`, `groupSize`) wins over it. */
  readonly profile?: Profile | null | undefined;
}

export interface CreateOptions {
  /** Default `diffusion`. */
  readonly mode?: Mode | null | undefined;
  /** Default bits and group size of every call; wins over `mode`. */
  readonly profile?: Profile | null | undefined;
  /**
   * Worker threads, or workers, 1 to 64. Default: as many as the process may use cores, of the backend `workers` 16 at most.
   * Each takes memory (in Node about 9 MB, for the backend `workers` 16 MB) and time to start. Without meaning for the
   * backend `single`.
   */
  readonly threads?: number | null | undefined;
  /**
   * `auto` (default) takes `threads` where they can be had and start in time, else `workers`, else `single`. A backend
   * that is named rejects with `backend_unavailable` or `startup_failed` instead. The bytes are the same.
   */
  readonly backend?: Backend | 'auto' | null | undefined;
  /** Milliseconds that a backend gets to start. Default 10,000. */
  readonly startupTimeout?: number | null | undefined;
  /**
   * Where the WebAssembly lies, for who serves it from elsewhere: the address of one of the package's two files
   * (`arrowquant-threads.wasm`, or `arrowquant-single.wasm` for the backends `workers` and `single`), or of a folder with
   * both of them, which ends with a slash. Relative to the page; in Node to the current folder.
   */
  readonly wasmUrl?: string | URL | null | undefined;
  /** One of those files as bytes, or compiled: an ArrayBuffer, a Uint8Array or a WebAssembly.Module. */
  readonly wasmBinary?: ArrayBuffer | Uint8Array | WasmObject | null | undefined;
  /**
   * The address of the package's `worker.js`, which threads and workers then run. One from another origin is started
   * through a Blob: a Content-Security-Policy has to allow both, and the server has to send CORS headers.
   */
  readonly workerUrl?: string | URL | null | undefined;
}
