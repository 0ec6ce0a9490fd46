import type { Effort } from '../codecs/codec.js';
import type { ModelSource, WebOptions } from '../endpoints.js';
import type { FormatName, FormatType, MixtureName, OnnxForm, OnnxRuntime } from '../formats/names.js';
import type { RuleOutcome, TensorRule } from '../rules/rule.js';
import type {
  AnyCase,
  Architecture,
  BitWidth,
  CallOptions,
  CodecName,
  ContainerName,
  CopyType,
  FileType,
  FloorOptions,
  GroupSize,
  ImportanceByName,
  LayerBits,
  LayoutName,
  Mode,
  Profile,
  Program,
  TensorType,
} from '../types.js';
import type { FileEvent, TensorReport } from '../plan/report.js';

/** What can be asked of everything that reads a model. */
export interface ReadOptions extends WebOptions, CallOptions {}

/** What can be asked of everything that goes through a whole file. */
export interface FileOptions extends WebOptions {
  /** Called exactly once a tensor, with the fraction of the tensors that are done; the last call gives 1. */
  readonly progress?: ((tensor: string, progress: number) => unknown) | null | undefined;
  /** Rejects the call with the code `aborted`; the output is as it was before. */
  readonly signal?: AbortSignal | null | undefined;
}

export interface ValidateOptions extends FileOptions {
  /** The least cosine of a layer, from 0 to 1, or that of a profile: `edge` 0.65, `local` 0.85, `cloud` 0.95. Default 0.7. */
  readonly minCosine?: number | Profile | null | undefined;
}

export interface ConvertFileOptions extends FileOptions {
  /** Called with each tensor's report as soon as it is written. */
  readonly onTensor?: ((report: TensorReport) => unknown) | null | undefined;
  /** Called with everything that happens. */
  readonly onEvent?: ((event: FileEvent) => unknown) | null | undefined;
  /**
   * Go on where an earlier call with the same input, output and options was interrupted, at the last whole tensor, and if
   * this one is interrupted leave what is done for the next. For outputs that are paths. What lies beside the output for it
   * (`.NAME.arrowquant-*`) has to be this user's alone, and of the same build of this package; a call without this option
   * removes it when it succeeds. Rejects with `unwritable_output`, and says what to do, while a process writes the same
   * output, or one did of which nobody here can tell whether it runs: of another container, or before a restart. Default
   * false.
   */
  readonly resume?: boolean | null | undefined;
  /**
   * `full`: the output takes its name when all of it is on the disk, so that even a loss of power leaves either the whole
   * output or what was there before. `none`: as soon as all of it is written, as `cp` does it, and the system brings it to
   * the disk later; after a loss of power the output may be damaged. For paths and FileHandles of Node; what browsers and
   * streams write to waits, or does not, as it always does. Not with `resume`. Default `full`.
   */
  readonly durability?: 'full' | 'none' | null | undefined;
  /**
   * Most bytes that tensors take in memory on their way, at least 16 MiB: where they are read and converted, and, when the
   * output is a stream, what waits until that has taken it. Headers, and what streams keep themselves, come on top. Default
   * and most: 36 MiB, and with the backend `workers` 9 MiB more for each worker but the first, whatever the sizes of files
   * and tensors.
   */
  readonly memoryLimit?: number | null | undefined;
}

/** What transformers calls the models of a kind, such as `llama`. */
export type ModelType = string & Record<never, never>;

/** A rule of the caller's: tensors whose names match get this type; `keep` leaves them as they are, `drop` leaves them out. */
export type TypeRule = readonly [pattern: RegExp | string, type: AnyCase<RuleOutcome>];

/** Types of values in a GGUF, but for arrays. */
export type KeyValueType =
  'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32' | 'u64' | 'i64' | 'f32' | 'f64' | 'bool' | 'string';

/**
 * A value of a GGUF and its type. Whole numbers must be in the type's range, those of 64 bits may be bigints; floats are
 * finite, and rounded to the nearest, half to even. Texts are well-formed Unicode. Neither texts nor arrays are empty.
 */
export type KeyValue =
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'string[]'; readonly value: readonly string[] }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'bool[]'; readonly value: readonly boolean[] }
  | { readonly type: Exclude<KeyValueType, 'string' | 'bool'>; readonly value: number | bigint }
  | { readonly type: `${Exclude<KeyValueType, 'string' | 'bool'>}[]`; readonly value: readonly (number | bigint)[] };

/**
 * With an accuracy floor (`FloorOptions`) or `targetBytes`, all weights that are to be encoded are encoded once before anything is
 * written, to find out which types they get (docs/accuracy.md). With `fallback` a tensor moves along 2, 4, 8 bits and what is stored;
 * in a GGUF along the finer types that fit its rows. What rules give stays, with a warning where it is below.
 */
export interface QuantizeFileOptions extends ConvertFileOptions, FloorOptions {
  /**
   * Which program's format is written. `mlx`, `compressed-tensors`, `bitsandbytes` and `mlc` are folders
   * (docs/model-folders.md): the output is the path of one, or a FileSystemDirectoryHandle. The others are files, as
   * `container` names them. Default: what `container` or the output's name says.
   */
  readonly format?: FormatName | ContainerName | null | undefined;
  /**
   * What the weights become: a type of whole files as llama.cpp names it, with which a GGUF is written, a codec, such as
   * F16 in safetensors, or a type of the `format`. `COPY` makes of a GGUF another one whose tensors are what they were, with other
   * pairs, layers or shards. Default: affine levels in safetensors; `Q4_K_M` when the output's name
   * ends with .gguf; the usual type of the `format`.
   */
  readonly type?: AnyCase<FileType | CodecName | FormatType | CopyType> | null | undefined;
  /** The file format. Default: what the output's name says; without one, a GGUF for a type of whole files, else safetensors. */
  readonly container?: ContainerName | null | undefined;
  /**
   * How what is quantized lies in the file: `plain` has one entry for each tensor, `planes` one for each of a codec's planes,
   * `columns` a column of the tensor's row, in a table.
   * Default: the first of the container that can hold the type.
   */
  readonly layout?: LayoutName | null | undefined;
  /**
   * How much an error in each column of a tensor's rows counts, by the tensor's name in the input: one number from 0 on for each
   * weight of a row, or, for stacked matrices such as experts, as many for each of them; of an ONNX model as many as a MatMul sums
   * over. Types that do not use it are made without it; rejects with `invalid_option` where none of the output does.
   */
  readonly importance?: ImportanceByName | null | undefined;
  /**
   * An importance matrix, as llama-imatrix writes it: a GGUF, or the older `.dat` (docs/importance.md). Its entries have the names
   * that tensors have in a GGUF of the model. A tensor without an entry is made without importance; rejects with
   * `shape_mismatch` for one whose entry does not fit. Not together with `importance`.
   */
  readonly imatrix?: ModelSource | null | undefined;
  /** Use the entries of `imatrix` alone whose names have one of these texts in them. Default: all. */
  readonly includeWeights?: readonly string[] | null | undefined;
  /** Use no entry of `imatrix` whose name has one of these texts in it. Not together with `includeWeights`. */
  readonly excludeWeights?: readonly string[] | null | undefined;
  /**
   * How hard encoders search. `reference` gives the bytes that llama.cpp (or the format's own program) writes; `better` those
   * of the search that llama.cpp runs with an importance matrix, with ones where there is none; `best` the least error, weighed
   * by importance, that a search of our own finds, and never more than the reference has. The files are as large, and open in
   * the same programs. Rejects with `invalid_option` where nothing of the output can be made better. Default `reference`.
   */
  readonly effort?: Effort | null | undefined;
  /** GGUF: one format for everything that is quantized, where the type would mix several. Default false. */
  readonly pure?: boolean | null | undefined;
  /** GGUF of a language model: whether the output matrix, `output.weight`, stays as it is. Default false. */
  readonly leaveOutput?: boolean | null | undefined;
  /** The same: what the output matrix becomes, or the token embeddings where they are the output, too. Default: what `type` says. */
  readonly outputType?: AnyCase<TensorType> | null | undefined;
  /** The same: what the token embeddings become. Default: what `type` says. */
  readonly embeddingType?: AnyCase<TensorType> | null | undefined;
  /**
   * The same: layers that are left out, from 0 on; those that follow move up. What is left works worse than the whole model, and
   * may need training.
   */
  readonly pruneLayers?: readonly number[] | null | undefined;
  /** GGUF in shards that becomes another one: whether the output has as many, each with the tensors of one. Default false. */
  readonly keepSplit?: boolean | null | undefined;
  /**
   * GGUF: whose rules apply. Default: found out from the tensors' names, or what the input says. A model that no program
   * opens as a GGUF is refused with `unsupported_model`, unless this is `none`: then general rules apply. Formats of folders:
   * the `model_type` that config.json should name, or `none`.
   */
  readonly architecture?: Architecture | ModelType | null | undefined;
  /**
   * GGUF of a diffusion model: what is to open it. `comfyui` (with the extension ComfyUI-GGUF) takes the diffusion model
   * alone, `sd.cpp` (stable-diffusion.cpp, koboldcpp) whole checkpoints, too. Default `comfyui`.
   */
  readonly for?: Program | null | undefined;
  /** ONNX: the least exact arithmetic that a MatMul of blocks may use, from 1 (f32) to 4 (int8). Default 0: none is said. */
  readonly accuracyLevel?: number | null | undefined;
  /** ONNX, `q4`: whether embeddings are quantized, too. Needs opset 21. Default false. */
  readonly embeddings?: boolean | null | undefined;
  /** ONNX: `operator` writes MatMulNBits, `qdq` DequantizeLinear before a MatMul, which needs opset 21. Default `operator`. */
  readonly onnxForm?: OnnxForm | null | undefined;
  /** ONNX: which version of ONNX Runtime's quantizers to write the same files as. Default `1.32`, but for `q8`, `int8` and `uint8` `1.20`, as transformers.js had it. */
  readonly onnxRuntime?: OnnxRuntime | null | undefined;
  /** ONNX: whether weights lie in a file of their own, `NAME.onnx_data`. Default: when the model would have 2 GiB. */
  readonly externalData?: boolean | null | undefined;
  /** MLX: a mixture of precisions, as mlx-lm has them. Default: one for all. */
  readonly mix?: MixtureName | null | undefined;
  /** bitsandbytes: whether the scales are quantized, too. Default false. */
  readonly doubleQuant?: boolean | null | undefined;
  /** Formats of folders: the type of what stays floats. Default: what config.json says, else what they are. */
  readonly dtype?: AnyCase<'F32' | 'F16' | 'BF16'> | null | undefined;
  /**
   * GGUF of a model in the layout of transformers: the type of the file that llama.cpp's quantizer would start from, which is
   * never written. Default: that of the model's own weights.
   */
  readonly via?: AnyCase<'F32' | 'F16' | 'BF16'> | null | undefined;
  /** The same: `general.name`. Default: what the model card, config.json or the folder's name says. */
  readonly name?: string | null | undefined;
  /**
   * The same: what llama.cpp calls the way in which the tokenizer cuts text before it merges, such as `qwen2`. For tokenizers
   * that are not known by what they make of a text. Default: found out.
   */
  readonly pre?: string | null | undefined;
  /** The same: whether the chat template is written. Default true. */
  readonly chatTemplate?: boolean | null | undefined;
  /**
   * The same, and a GGUF of a GGUF: key-value pairs, by key. One that the file would have gets this value; others are added.
   * Those that follow from weights and vocabulary are not for callers to set (docs/checkpoints.md, "Pairs").
   */
  readonly keyValues?:
    | ReadonlyMap<string, KeyValue>
    | Iterable<readonly [string, KeyValue]>
    | Readonly<Record<string, KeyValue>>
    | null
    | undefined;
  /**
   * What happens to a tensor with a weight that is too large for the F16 or BF16 it would get. Default `error`; but a checkpoint that
   * becomes F16, BF16 or Q8_0 has infinities, or NaN, where llama.cpp's converter writes them, and the report's warnings name the
   * tensors.
   */
  readonly f16Overflow?: 'error' | 'f32' | null | undefined;
  /**
   * Most bytes of one file, but for a tensor that is larger itself. Several are `NAME-00001-of-0000N.gguf`, or
   * `NAME-00001-of-0000N.safetensors` with the index `NAME.safetensors.index.json`.
   */
  readonly splitSize?: number | null | undefined;
  /**
   * The most bytes of the output, all of its files together. Each tensor that no rule gives a type gets the one with which all of
   * them lose least for that size; `type`, or bits, say where the types come from. Rejects with `invalid_option` for a size
   * that is too small. With an accuracy floor, types below it are no choice.
   */
  readonly targetBytes?: number | null | undefined;
  /**
   * Affine: bits of some tensors, by the names that they have in the input, as for batches; `rules` come first. What is measured does
   * not change them.
   */
  readonly layerBits?: LayerBits | null | undefined;
  /**
   * Write this part of the output alone, from 1 on: one file of weights, and with the first one those that are none. The parts
   * are the files of one run, to the byte, so that several machines can write one output together (docs/scale.md). Only what
   * the part needs is read. A part that is complete and right is left alone. For outputs that are paths, and have several files
   * or a `splitSize`. Rejects with `invalid_option` where there is no such part.
   */
  readonly part?: number | null | undefined;
  /** Affine. Default: that of `profile`, else the quantizer's. 3, 5 and 6 only in formats that have them. */
  readonly bits?: BitWidth | 3 | 5 | 6 | null | undefined;
  /** Affine. */
  readonly groupSize?: GroupSize | 16 | null | undefined;
  /** Affine. */
  readonly symmetric?: boolean | null | undefined;
  /** Affine. */
  readonly profile?: Profile | null | undefined;
  /** Affine: which tensors stay as they are, and, where no profile decides, the group size. Default: the quantizer's mode. */
  readonly mode?: Mode | null | undefined;
  /**
   * Tried in order before all others; the first one that fits a tensor decides. A type must be one that the output can hold.
   * In a GGUF, rules give types only to tensors that may be quantized, and others to those whose whole name is the pattern:
   * `=` and the name, as a string. Where the rows are no whole blocks of the type, the next one of 32 weights takes its place.
   */
  readonly rules?: readonly (TensorRule | TypeRule)[] | null | undefined;
  /** Whether to decode again and measure what was lost. Default true. */
  readonly metrics?: boolean | null | undefined;
}

export interface DequantizeFileOptions extends ConvertFileOptions {
  /** Element type of the restored tensors. Default: what they were before; F32 for those of a GGUF. */
  readonly dtype?: AnyCase<'F32' | 'F16' | 'BF16'> | null | undefined;
}

export interface VerifyOptions extends CallOptions {
  /** When the output is whole, delete the files that the parts have written about themselves. Default false. */
  readonly removeManifests?: boolean | null | undefined;
}

export interface ReadTensorOptions extends WebOptions {
  /** The first element, and the one after the last. Default: all of them. */
  readonly begin?: number | null | undefined;
  readonly end?: number | null | undefined;
  readonly signal?: AbortSignal | null | undefined;
}
