/** The errors of the package, and the only place with their texts. */

/** What an error is about. Every part is optional; those that are given become fields of the error. */
export interface ErrorDetails {
  /** Name of the layer or tensor. */
  readonly layer?: string;
  /** Index of the element in the layer's flattened weights. */
  readonly index?: number;
  /** The file, as the caller wrote its name. */
  readonly file?: string;
  /** A phrase that the text repeats: the offending value, or what is wrong with it. No full stop. */
  readonly detail?: string;
  /** What can be done about it; for the text alone. */
  readonly advice?: string;
  /** What led to the error. */
  readonly cause?: unknown;
}

/** Longest stretch of a name that a text repeats. */
const QUOTED_CHARACTERS = 200;

/** What JSON leaves as it is though it steers terminals or turns text around: C1 controls, bidi controls and the like. */
const UNSEEN = /[\u007f-\u009f\u2028\u2029\p{Cf}]/gu;

const escaped = (character: string): string =>
  Array.from({ length: character.length }, (_, index) => {
    const unit = character.charCodeAt(index).toString(16);
    return `\\u${unit.padStart(4, '0')}`;
  }).join('');

/** `text` with what steers terminals in it spelt out, as JSON may spell every character of a string. */
export const unsteering = (text: string): string => text.replace(UNSEEN, escaped);

/** `name` in quotation marks, shortened where it is absurdly long: hostile files have names of megabytes. */
export const quoted = (name: string): string =>
  unsteering(JSON.stringify(name.length > QUOTED_CHARACTERS ? `${name.slice(0, QUOTED_CHARACTERS)}…` : name));

const because = ({ detail }: ErrorDetails): string => (detail === undefined ? '' : `: ${detail}`);
const ofLayer = ({ layer }: ErrorDetails): string => (layer === undefined ? '' : ` of layer ${quoted(layer)}`);
const inLayer = ({ layer }: ErrorDetails): string => (layer === undefined ? '' : ` in layer ${quoted(layer)}`);
const inFile = ({ file }: ErrorDetails): string => (file === undefined ? '' : ` in ${file}`);
const atIndex = ({ index }: ErrorDetails): string => (index === undefined ? '' : ` at index ${String(index)}`);
const theFile = ({ file }: ErrorDetails): string => file ?? 'the file';
const theTensor = ({ layer }: ErrorDetails): string => (layer === undefined ? 'a tensor' : `tensor ${quoted(layer)}`);

const TEXTS = {
  /** `bits` is not 2, 4 or 8. */
  invalid_bit_width: ({ detail }) => `Invalid bit width: ${detail ?? 'none'}. Must be 2, 4, or 8`,
  /** An option has a value that it cannot have. */
  invalid_option: (about) => `Invalid option${because(about)}`,
  /** The weights, or a quantized layer to restore, are not of a kind that is understood. */
  invalid_weights: (about) =>
    `Invalid weights${ofLayer(about)}: ${about.detail ?? 'a Float32Array, a Float16Array or { data, shape } with one of them is needed'}`,
  /** A shape and the length of an array contradict each other. */
  shape_mismatch: (about) => `Shape and data${ofLayer(about)} do not fit together${because(about)}`,
  /** Two layers have the same name. */
  duplicate_layer: (about) => `The layer ${quoted(about.layer ?? '')} occurs twice${inFile(about)}${because(about)}`,
  /** A weight is NaN or infinite; `index` says which is the first. */
  not_finite: (about) => `NaN or infinity${inLayer(about)}${inFile(about)}${atIndex(about)}${because(about)}`,
  /**
   * A block's scale would be infinite in half precision, or, in Q3_K, Q6_K and IQ4_XS, llama.cpp's f32 sums overflow, so
   * that llama.cpp would decode those weights to zeros; `index` is that of the block's first weight.
   */
  scale_overflow: (about) =>
    `Weights too large for ${about.detail ?? 'a half-precision scale'}${inLayer(about)}${inFile(about)}, in the block${atIndex(about)}`,
  /** A finite weight would be infinite in a type of 16 bits; `index` says which is the first, `detail` is the type. */
  float_overflow: (about) =>
    `Weight too large for ${about.detail ?? '16 bits'}${inLayer(about)}${inFile(about)}${atIndex(about)}; the tensor can be kept as F32`,
  /** A row (the last dimension), or the length of encoded bytes, is not a whole number of blocks. */
  row_not_whole_blocks: (about) => `Not a whole number of blocks${inLayer(about)}${inFile(about)}${because(about)}`,
  /** There is no block format of that name. */
  unknown_type: ({ detail }) => `Unknown block type: ${detail ?? 'none'}`,
  /** What a layer is restored to is further from it than `minCosine` allows. */
  below_min_cosine: (about) => `Less accurate than minCosine${inLayer(about)}${inFile(about)}${because(about)}`,
  /** An input buffer was transferred or resized before it had been read. */
  detached_buffer: (about) =>
    `The buffer${ofLayer(about)}${about.file === undefined ? '' : ` of ${about.file}`} has been detached or has shrunk`,
  /** Arrays to reuse have not the type or length that the results need, or share memory. */
  output_mismatch: (about) => `The output arrays${ofLayer(about)} cannot be reused${because(about)}`,
  /** The caller's AbortSignal fired; `cause` is its reason. */
  aborted: () => 'The operation was aborted',
  /** The quantizer was disposed before or during the call. */
  disposed: () => 'The quantizer has been disposed',
  /** The WebAssembly module or its threads did not start. */
  startup_failed: (about) => `The WebAssembly module could not be started${because(about)}`,
  /** A script of the package that is loaded when it is needed could not be loaded. */
  part_not_loaded: (about) => `A part of the package could not be loaded${because(about)}`,
  /** Arrow tables are asked for, and nothing that makes them is there. */
  arrow_missing: () =>
    'Arrow tables need arrowquant/arrow to be imported, and the package apache-arrow to be installed',
  /** A global of browsers and Node that an imitation of them lacks. */
  missing_global: ({ detail = 'A global' }) =>
    `${detail} is missing here; test environments such as jsdom can be given that of Node's module util (globalThis.${detail} = …)`,
  /** The backend that was asked for cannot work here. */
  backend_unavailable: (about) => `The backend is not available here${because(about)}`,
  /** There is no memory left for the results or the module, or an array would be longer than arrays can be. */
  out_of_memory: (about) => `Out of memory${inLayer(about)}${inFile(about)}${because(about)}`,
  /** A file is not what its format demands. */
  invalid_file: (about) => `Cannot read ${theFile(about)}${because(about)}`,
  /** A tensor's element type is unknown or cannot be converted. */
  unsupported_dtype: (about) =>
    `The dtype${about.detail === undefined ? '' : ` ${about.detail}`} of ${theTensor(about)}${inFile(about)} is not supported${about.advice === undefined ? '' : `: ${about.advice}`}`,
  /** No program of those that a file is for is known to open one that is made of this model. */
  unsupported_model: (about) => `No file that opens can be made of ${theFile(about)}${because(about)}`,
  /** A file lacks a tensor that it must have. */
  missing_tensor: (about) => `${theFile(about)} has no ${theTensor(about)}`,
  /** A file that a sharded model's index names is not there. */
  missing_shard: (about) => `The shard ${theFile(about)} is missing${because(about)}`,
  /** A file cannot be opened or read. */
  unreadable_input: (about) => `Cannot read ${theFile(about)}${because(about)}`,
  /** A file cannot be created, written or put in its place. */
  unwritable_output: (about) => `Cannot write ${theFile(about)}${because(about)}`,
  /** There is no room for a file. */
  disk_full: (about) => `There is no room for ${theFile(about)}${because(about)}`,
  /** A fault of this package. */
  internal: (about) => `Internal error${inLayer(about)}${inFile(about)}${because(about)}`,
} as const satisfies Record<string, (about: ErrorDetails) => string>;

/** Stable names of what can go wrong. docs/errors.md has a line for each. */
export type QuantizeErrorCode = keyof typeof TEXTS;

/**
 * What every promise of this package rejects with.
 * Tell errors apart by `code`, which is stable; `message` is for people.
 */
export class QuantizeError extends Error {
  readonly code: QuantizeErrorCode;
  /** The layer or tensor that the error is about. */
  declare readonly layer?: string;
  /** Index of the offending element in the layer's flattened weights. */
  declare readonly index?: number;
  /** The file that the error is about. */
  declare readonly file?: string;
  /** The phrase that the text repeats: the offending value, or what is wrong with it. */
  declare readonly detail?: string;

  constructor(code: QuantizeErrorCode, about: ErrorDetails = {}) {
    const text: (about: ErrorDetails) => string = TEXTS[code];
    super(text(about), about.cause === undefined ? undefined : { cause: about.cause });
    this.code = code;
    if (about.layer !== undefined) this.layer = about.layer;
    if (about.index !== undefined) this.index = about.index;
    if (about.file !== undefined) this.file = about.file;
    if (about.detail !== undefined) this.detail = about.detail;
  }
}

// The build shortens names, and people look for these in what is printed.
Object.defineProperty(QuantizeError, 'name', { value: 'QuantizeError' });
// On the prototype, as the built-in errors have it, so that it is no field of every error that is printed.
Object.defineProperty(QuantizeError.prototype, 'name', { value: 'QuantizeError', writable: true, configurable: true });

const isCode = (code: string): code is QuantizeErrorCode => Object.hasOwn(TEXTS, code);

export const ERROR_CODES: readonly QuantizeErrorCode[] = Object.keys(TEXTS).filter(isCode);

/** The error of the compiled module's `code`; an unknown one is a fault of this package. */
export function errorFromModule(
  code: string,
  layer: string | null,
  index: number | null,
  detail: string | null,
  cause?: unknown,
): QuantizeError {
  const about = {
    ...(layer !== null && { layer }),
    ...(index !== null && { index }),
    ...(detail !== null && { detail }),
    ...(detail === null && cause instanceof Error && { detail: cause.message }),
    cause,
  };
  return isCode(code) ? new QuantizeError(code, about) : new QuantizeError('internal', { ...about, detail: code });
}

/** `error` itself if it is one of ours, else an error with the given code that it is the cause of. */
export function asQuantizeError(error: unknown, code: QuantizeErrorCode, about: ErrorDetails = {}): QuantizeError {
  if (error instanceof QuantizeError) return error;
  const detail = about.detail ?? (error instanceof Error ? error.message : String(error));
  return new QuantizeError(code, { ...about, detail, cause: error });
}

/**
 * What a call ends with when its signal has fired. An error of ours that was the reason says more than `aborted`: it is the
 * failure of another part of the call.
 */
export const abortError = (reason: unknown): QuantizeError =>
  reason instanceof QuantizeError ? reason : new QuantizeError('aborted', { cause: reason });
