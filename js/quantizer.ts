import { AbortActions } from './abort-actions.js';
import { asyncDispose } from './async-dispose.js';
import { quantizeBatch, type BatchTools, type Cancellation } from './calls/batch-calls.js';
import { FileCalls } from './calls/file-calls.js';
import type { OpenedModel } from './calls/opened-model.js';
import { nameIn, reading, shown } from './checks.js';
import { codecNamed, planeBytes, traitsOf, type CodecTraits } from './codecs/codec.js';
import { BLOCK_TYPES } from './codecs/table.js';
import type {
  DequantizeFileOptions,
  FileOptions,
  QuantizeFileOptions,
  ReadOptions,
  ReadTensorOptions,
  ValidateOptions,
  VerifyOptions,
} from './convert/options.js';
import type { PartsReport } from './convert/parts/verify.js';
import { abandoning, endpointName, type ModelSink, type ModelSource } from './endpoints.js';
import { QuantizeError, abortError, asQuantizeError } from './errors.js';
import type { ImportanceMatrix } from './importance/importance.js';
import type { FileComparison } from './models/compare.js';
import type { Inspection } from './models/inspect.js';
import type { Validation } from './models/validation.js';
import { readCallSignal, readDefaults, type Defaults } from './options/batch.js';
import { readSearch } from './options/search.js';
import { readName, readRange } from './options/files.js';
import { holdQuantization } from './options/held.js';
import * as names from './options/names.js';
import { holdSides } from './options/sides.js';
import { readSink, readSource } from './options/sources.js';
import { readBlocks, readLayerOrRow, readShapedWeights } from './options/weights.js';
import type { FilePlan, FileReport } from './plan/report.js';
import type {
  AnyCase,
  ArrowRow,
  Backend,
  BatchOptions,
  BatchResult,
  BitWidth,
  BlockType,
  CallOptions,
  CreateOptions,
  EncodeOptions,
  ProgressCallback,
  QuantizedLayer,
  Weights,
  WeightsByName,
} from './types.js';
import { launchModule, readLaunchOptions, type LaunchedModule } from './wasm/load.js';
import type { RawModule, RawQuantizedLayer } from './wasm/module.js';

/**
 * Quantizes weights on a WebAssembly module of its own: a fixed heap and, with the backend `threads`, worker threads.
 *
 * All methods are asynchronous and reject with a `QuantizeError`; none throws. Calls may overlap. The calling thread
 * works in stretches of about 4 ms, plus what reading the arguments of very many layers takes. A Node process that has
 * nothing else to do ends by itself. A quantizer that nobody holds any more, and that has no call under way, ends its threads
 * when it is collected as garbage; `dispose` ends them at once.
 */
export class ArrowQuant {
  /** What does the work. */
  readonly backend: Backend;
  /**
   * Why the backend is not an earlier one of `threads`, `workers` and `single`, in words; null where it is the first, or the
   * one that was asked for.
   */
  readonly fallback: string | null;
  /** Worker threads, or workers; 0 for the backend `single`. */
  readonly threads: number;
  readonly #module: RawModule;
  readonly #defaults: Defaults;
  readonly #aborts = new AbortActions();
  readonly #fileCalls: FileCalls;
  readonly #batchTools: BatchTools;
  #disposed = false;

  private constructor({ module, backend, fallback, createWindows }: LaunchedModule, defaults: Defaults) {
    this.backend = backend;
    this.fallback = fallback;
    this.threads = module.threadCount();
    this.#module = module;
    this.#fileCalls = new FileCalls(createWindows, this.#aborts);
    this.#defaults = defaults;
    this.#batchTools = {
      ...{ module, defaults, fileCalls: this.#fileCalls },
      cancellable: (signal, run) => this.#cancellable(signal, run),
    };
  }

  /**
   * Starts a module and its threads.
   * Rejects with `invalid_option`, `backend_unavailable` or `startup_failed`.
   */
  static async create(options?: CreateOptions | null): Promise<ArrowQuant> {
    const given = names.onceRead(options, names.CREATE_OPTIONS);
    const defaults = readDefaults(given);
    const launch = reading('invalid_option', () => readLaunchOptions(given));
    return new ArrowQuant(await launchModule(launch), defaults);
  }

  /**
   * Quantizes every layer of `weights` to `bits` bits (2, 4 or 8; default: the profile's, else 4).
   *
   * Each group of the flattened weights x becomes levels q, with all arithmetic in f32, halves rounded to even, and
   * qmax = 2^bits - 1 (the formula is this package's own):
   * - asymmetric: lo = min(0, min x), hi = max(0, max x), scale = (hi - lo) / qmax, zero point = round(-lo / scale),
   *   q = clamp(round(x / scale) + zero point, 0, qmax);
   * - symmetric: with m the first weight of largest magnitude, scale = -m / 2^(bits-1), zero point = 2^(bits-1), q as above.
   *
   * 1 / scale is rounded once and multiplied with. A group whose scale is 0 or subnormal (all zeros) gets scale 1 and
   * restores to zeros. NaN and infinities are refused with the layer and the index of the first one. The bytes depend on
   * weights and options only, not on threads, backend or engine.
   *
   * With the effort `best` each group gets the scale and the zero point that a search finds to lose least in squares, and levels
   * by the same formula; where none lose less than those above, they stay. With `importance`, too, squares count as much as the column.
   *
   * `progress(layer, completed / total)` is called once a layer, asynchronously, in the order of the names, last with
   * exactly 1. What it throws or rejects with is logged and ignored.
   *
   * The weights are read in turns until the promise settles: do not change them before, nor what `options.output` holds.
   *
   * Rejects with `invalid_bit_width`, `invalid_option`, `invalid_weights`, `shape_mismatch`, `duplicate_layer`,
   * `output_mismatch`, all of them before a weight is copied; with `not_finite` and `detached_buffer` for the first layer
   * that has the fault; with `out_of_memory`, `aborted` and `disposed`. No callback is called after that.
   */
  async quantizeBatchWithProgress(
    weights: WeightsByName,
    bits?: BitWidth | null,
    progress?: ProgressCallback | null,
    options?: BatchOptions | null,
  ): Promise<BatchResult> {
    this.#checkAlive();
    return quantizeBatch(this.#batchTools, { weights, bits, progress, options });
  }

  /** The same without progress. */
  quantizeBatch(weights: WeightsByName, bits?: BitWidth | null, options?: BatchOptions | null): Promise<BatchResult> {
    return this.quantizeBatchWithProgress(weights, bits, null, options);
  }

  /**
   * Restores the weights of one layer: (q - zero point) · scale, in f32. Values that come back lie within half a step of
   * the originals, plus the rounding of f32. The shape is the layer's; the array is flat. A row of an Arrow table with the columns
   * of `toTable` is a layer, too.
   *
   * Rejects with `invalid_weights` when it is given no quantized layer (such as the `undefined` of a Map that lacks the
   * name), with `shape_mismatch` when arrays and shape contradict each other, with `aborted` and `disposed`.
   */
  async dequantize(
    layer: QuantizedLayer | RawQuantizedLayer | ArrowRow | null | undefined,
    options?: CallOptions | null,
  ): Promise<Float32Array> {
    this.#checkAlive();
    const signal = signalOf(options);
    const given = reading('invalid_weights', () => readLayerOrRow(layer, signal));
    const read = given instanceof Promise ? await given : given;
    return this.#cancellable(signal, async (cancellation) =>
      read instanceof Float32Array ? read : this.#module.dequantize(read, cancellation),
    );
  }

  /**
   * Encodes weights to one of llama.cpp's block formats, byte-equal to its `ggml_quantize_chunk` with the same importance, or
   * with none; with more `effort` as well as the format can (see QuantizeFileOptions). A row (the last dimension; a bare array is one row) must be a whole number of blocks, of 32 or 256 weights.
   * They are read until the promise settles.
   *
   * Rejects with `unknown_type`, `invalid_weights`, `shape_mismatch`, `row_not_whole_blocks`; with `not_finite` and the
   * index of the first NaN or infinity; with `scale_overflow` and the index of the first weight of a block whose scale
   * would be infinite in half precision, or, in Q3_K, Q6_K and IQ4_XS, for which llama.cpp's f32 sums overflow, so that
   * llama.cpp would decode those weights to zeros; with `invalid_option` for importance that rows cannot have; with `aborted` and
   * `disposed`. IQ1_S, IQ2_XXS and IQ2_XS, which llama.cpp does not encode without importance, are without it what ones give.
   */
  async encode(weights: Weights, type: AnyCase<BlockType>, options?: EncodeOptions | null): Promise<Uint8Array> {
    this.#checkAlive();
    const { name, blockWeights } = blockCodec(type);
    const search = reading('invalid_option', () => readSearch(options));
    const { data, shape } = reading('invalid_weights', () => readShapedWeights(weights));
    const rowLength = shape.at(-1) ?? 1;
    if (rowLength % blockWeights !== 0) {
      const detail = `rows of ${String(rowLength)} weights, blocks of ${String(blockWeights)} (${name})`;
      throw new QuantizeError('row_not_whole_blocks', { detail });
    }
    if (search.importance !== undefined || search.effort > 0) {
      const { signal, ...how } = search;
      return this.#fileCalls.run({ signal }, (work, tools) =>
        work.encodeTensor(tools, { data, shape, codec: codecNamed(name), ...how }),
      );
    }
    return this.#cancellable(search.signal, (cancellation) => this.#module.encodeBlocks(data, name, cancellation));
  }

  /**
   * Restores the weights of encoded blocks, bit-equal to llama.cpp's `dequantize_row_*`.
   * Rejects with `unknown_type`, `invalid_weights`, `row_not_whole_blocks` when `bytes` is not a whole number of blocks,
   * `aborted` and `disposed`.
   */
  async decode(bytes: Uint8Array, type: AnyCase<BlockType>, options?: CallOptions | null): Promise<Float32Array> {
    this.#checkAlive();
    const { name, blockWeights } = blockCodec(type);
    const blockBytes = planeBytes(codecNamed(name), 0, blockWeights);
    const blocks = reading('invalid_weights', () => readBlocks(bytes));
    if (blocks.length % blockBytes !== 0) {
      const detail = `${String(blocks.length)} bytes, blocks of ${String(blockBytes)} (${name})`;
      throw new QuantizeError('row_not_whole_blocks', { detail });
    }
    return this.#cancellable(signalOf(options), (cancellation) =>
      this.#module.decodeBlocks(blocks, name, cancellation),
    );
  }

  /**
   * Quantizes the model at `source` (safetensors, GGUF, Arrow, PyTorch; one file or shards) and writes it to `sink`: with a `type` as
   * a GGUF, tensor by tensor what llama.cpp's own quantizer makes of it, else as affine levels in safetensors or Arrow, as
   * `quantizeBatch` does. Which tensors stay unquantized or get another type is for the caller's rules and those of the
   * model's family to say. Memory is bounded whatever the file's size; a path gets its name only when it is complete.
   *
   * Rejects with `invalid_option`, `invalid_bit_width`; with `unreadable_input`, `invalid_file`, `unsupported_dtype`,
   * `missing_tensor`, `missing_shard` for the input; with `unwritable_output` for what the output's format cannot hold; with
   * `not_finite`, tensor and index for the first weight that is NaN or infinite; with `float_overflow` or `scale_overflow`
   * for one that is too large; with `duplicate_layer` when names collide; with `unwritable_output`, `disk_full`; with
   * `aborted` and `disposed`.
   */
  async quantizeFile(source: ModelSource, sink: ModelSink, options?: QuantizeFileOptions | null): Promise<FileReport> {
    return abandoning(sink, async () => {
      const once = holdQuantization(options);
      const [from, to] = [readSource('source', source), readSink('sink', sink)];
      return this.#fileCalls.run(once, (work, tools, given) =>
        work.quantizeFile(tools, from, to, work.readQuantization(once, this.#defaults, to), given),
      );
    });
  }

  /**
   * What `quantizeFile` would do with these options: what becomes what, and why, with exact sizes. Only headers are read,
   * and, for `f16Overflow: 'f32'`, the tensors that would become F16 or BF16, and, for a floor or a size, all that are to be
   * encoded. Takes all options of `quantizeFile`; those
   * about writing (`resume`, `durability`, `memoryLimit`, `metrics`, `part` and the callbacks) change nothing. Rejects as `quantizeFile` does.
   */
  async plan(source: ModelSource, options?: QuantizeFileOptions | null): Promise<FilePlan> {
    const once = holdQuantization(options);
    const from = readSource('source', source);
    return this.#fileCalls.reading(once, async (work, tools) => {
      const quantization = work.readQuantization(once, this.#defaults, undefined);
      return work.withModel(tools, from, (model) => work.planModel(tools, model, quantization));
    });
  }

  /**
   * Restores the quantized tensors of the model at `source`, a GGUF or what `quantizeFile` wrote, and writes it to `sink`
   * as safetensors or Arrow. Rejects as `quantizeFile` does; with `not_finite` or `float_overflow` when a restored weight is too
   * large for the type that it gets.
   */
  async dequantizeFile(
    source: ModelSource,
    sink: ModelSink,
    options?: DequantizeFileOptions | null,
  ): Promise<FileReport> {
    return abandoning(sink, async () => {
      const once = names.onceRead(options, names.DEQUANTIZE_FILE_OPTIONS);
      const [from, to] = [readSource('source', source), readSink('sink', sink)];
      return this.#fileCalls.run(once, (work, tools, given) =>
        work.dequantizeFile(tools, from, to, work.readRestoring(once, to), given),
      );
    });
  }

  /** Compares two models tensor by tensor, quantized ones by what they are restored to. Rejects as `quantizeFile` does. */
  async compareFiles(a: ModelSource, b: ModelSource, options?: FileOptions | null): Promise<FileComparison> {
    const once = names.onceRead(options, names.FILE_OPTIONS);
    const [first, second] = [readSource('a', a), readSource('b', b)];
    return this.#fileCalls.reading(once, (work, tools) => work.compareFiles(tools, first, second, once.progress));
  }

  /**
   * Tells how accurate `quantized` is, and whether that is enough: a model beside the model that it was made of, compared as by
   * `compareFiles`; or the result of a batch beside its weights. Rejects as `quantizeFile` does for its input; of a batch with
   * `invalid_weights`, `shape_mismatch` and `detached_buffer`.
   */
  async validate(
    original: ModelSource | WeightsByName,
    quantized: ModelSource | ReadonlyMap<string, QuantizedLayer>,
    options?: ValidateOptions | null,
  ): Promise<Validation> {
    this.#checkAlive();
    const once = names.onceRead(options, names.VALIDATE_OPTIONS);
    const sides = await reading('invalid_weights', () => holdSides(original, quantized));
    return this.#fileCalls.reading(once, (work, tools) => work.validate(tools, sides, once));
  }

  /** Reads what the model at `source` holds, without its weights. Rejects as `quantizeFile` does. */
  async inspectFile(source: ModelSource, options?: ReadOptions | null): Promise<Inspection> {
    const once = names.onceRead(options, names.READ_OPTIONS);
    const from = readSource('source', source);
    return this.#fileCalls.reading(once, (work, tools) =>
      work.withModel(tools, from, (model) => work.inspectionOf(model, endpointName(from))),
    );
  }

  /**
   * Looks whether all parts of an output, the path that `quantizeFile` was given with a `part` each, are there, right, and of
   * one input and the same options. Reads all of their bytes. Rejects with `unreadable_input` where there is none, and as
   * `inspectFile` does.
   */
  async verifyFiles(output: string, options?: VerifyOptions | null): Promise<PartsReport> {
    const once = names.onceRead(options, names.VERIFY_OPTIONS);
    return this.#fileCalls.reading(once, (work, tools) => work.verifyFiles(tools, output, once));
  }

  /**
   * Reads an importance matrix, as llama-imatrix writes it: a GGUF, or the older `.dat`. The values of a tensor are what `encode`
   * takes as `importance`. Rejects with `invalid_file`, `unreadable_input`, `aborted` and `disposed`.
   */
  async readImportance(source: ModelSource, options?: ReadOptions | null): Promise<ImportanceMatrix> {
    const once = names.onceRead(options, names.READ_OPTIONS);
    const from = readSource('source', source);
    return this.#fileCalls.reading(once, (work, tools) => work.readImportance(tools, from));
  }

  /**
   * Reads elements `begin` to `end` of one flattened tensor of the model at `source`, as f32; quantized ones as what they
   * are restored to, and of a language model in the layout of transformers also the tensors that its GGUF has. For several of
   * them `open` the model once. Rejects as `quantizeFile` does, with `missing_tensor` when there is none of that name, and
   * with `out_of_memory` for more elements than one array can have.
   */
  async readTensor(source: ModelSource, name: string, options?: ReadTensorOptions | null): Promise<Float32Array> {
    const once = names.onceRead(options, names.READ_TENSOR_OPTIONS);
    const [range, tensor] = reading('invalid_option', () => [readRange(once), readName(name)] as const);
    const from = readSource('source', source);
    return this.#fileCalls.reading(once, (work, tools) =>
      work.withModel(tools, from, (model) => work.readNamed(tools, model, tensor, range)),
    );
  }

  /**
   * Opens the model at `source` for many calls: its header is read and checked once. Close it when it is no longer needed.
   * Rejects as `quantizeFile` does for its input.
   */
  async open(source: ModelSource, options?: ReadOptions | null): Promise<OpenedModel> {
    const once = names.onceRead(options, names.READ_OPTIONS);
    const from = readSource('source', source);
    const calls = this.#fileCalls;
    const controller = calls.controller();
    try {
      return await calls.run(once, async (work, { files, signal }) => {
        if (signal.aborted) throw abortError(signal.reason);
        const revoke = this.#aborts.add(signal, () => {
          controller.abort(signal.reason);
        });
        try {
          const { model, inspection } = await work.openInspected(files, from, controller.signal);
          if (this.#disposed) await model.close();
          this.#checkAlive();
          return new work.OpenedModel(model, inspection, { calls, controller, defaults: this.#defaults });
        } finally {
          revoke();
        }
      });
    } catch (error) {
      calls.forget(controller);
      throw error;
    }
  }

  /**
   * Ends the threads and gives the memory back. What is pending, and every later call, rejects with `disposed`;
   * only a conversion whose output has got its name already still resolves. Disposing of a quantizer twice does nothing.
   */
  dispose(): Promise<void> {
    if (!this.#disposed) {
      this.#disposed = true;
      this.#fileCalls.dispose();
      this.#module.dispose();
    }
    return Promise.resolve();
  }

  [asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #checkAlive(): void {
    if (this.#disposed) throw new QuantizeError('disposed');
  }

  /** Runs a call of the module that `signal` can end. */
  async #cancellable<T>(signal: AbortSignal | undefined, run: (cancellation: Cancellation) => Promise<T>): Promise<T> {
    // Reading the arguments may have run the caller's code.
    this.#checkAlive();
    if (signal?.aborted === true) throw new QuantizeError('aborted', { cause: signal.reason });
    const cancellation: Cancellation = { cancelled: false };
    const revoke = this.#aborts.add(signal, () => {
      cancellation.cancelled = true;
      this.#module.wake();
    });
    try {
      return await run(cancellation);
    } catch (error) {
      const failure = asQuantizeError(error, 'internal');
      throw failure.code === 'aborted' ? new QuantizeError('aborted', { cause: signal?.reason }) : failure;
    } finally {
      revoke();
    }
  }
}

// The build shortens names, and people look for this in what is printed.
Object.defineProperty(ArrowQuant, 'name', { value: 'ArrowQuant' });

/** One of llama.cpp's block formats. */
function blockCodec(type: unknown): CodecTraits {
  const name = nameIn(BLOCK_TYPES, type);
  if (name !== undefined) return traitsOf({ name });
  throw new QuantizeError('unknown_type', { detail: `${shown(type)}. Known are ${BLOCK_TYPES.join(', ')}` });
}

const signalOf = (options: CallOptions | null | undefined): AbortSignal | undefined =>
  reading('invalid_option', () => readCallSignal(options));
