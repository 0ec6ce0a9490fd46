import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { GGML_TYPE_NUMBERS, importanceOfOnes } from './tiny-llama.mjs';

const require = createRequire(import.meta.url);

/** `enum llama_ftype`. */
export const FILE_TYPE_NUMBERS = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q8_0: 7,
  Q5_0: 8,
  Q5_1: 9,
  Q2_K: 10,
  Q3_K_S: 11,
  Q3_K_M: 12,
  Q3_K_L: 13,
  Q4_K_S: 14,
  Q4_K_M: 15,
  Q5_K_S: 16,
  Q5_K_M: 17,
  Q6_K: 18,
  IQ2_XXS: 19,
  IQ2_XS: 20,
  Q2_K_S: 21,
  IQ3_XS: 22,
  IQ3_XXS: 23,
  IQ1_S: 24,
  IQ4_NL: 25,
  IQ3_S: 26,
  IQ3_M: 27,
  IQ2_S: 28,
  IQ2_M: 29,
  IQ4_XS: 30,
  IQ1_M: 31,
  BF16: 32,
  TQ1_0: 36,
  TQ2_0: 37,
  MXFP4_MOE: 38,
  Q1_0: 40,
  Q2_0: 41,
};

/** Types of files that llama.cpp's quantizer makes with an importance matrix only. */
export const NEEDS_IMPORTANCE = [
  'IQ1_S',
  'IQ1_M',
  'IQ2_XXS',
  'IQ2_XS',
  'IQ2_S',
  'IQ2_M',
  'IQ3_XXS',
  'IQ3_XS',
  'Q2_K_S',
];

/** For a type that needs importance one that says nothing; for others none. */
export const leastImportance = (type, tensors) =>
  NEEDS_IMPORTANCE.includes(type) ? { importance: importanceOfOnes(tensors) } : {};

/** Offsets in `struct llama_model_quantize_params`. */
const QUANTIZE_PARAMS = {
  threads: 0,
  fileType: 4,
  outputType: 8,
  embeddingType: 12,
  flags: 16,
  requantize: 16,
  quantizesOutput: 17,
  copies: 18,
  pure: 19,
  keepsSplit: 20,
  dryRun: 21,
  importance: 24,
  overrides: 32,
  typeRules: 40,
  pruned: 48,
};
/** allow_requantize, quantize_output_tensor, only_copy, pure, keep_split, dry_run. */
const DEFAULT_FLAGS = [0, 1, 0, 0, 0, 0];

/** Room for what a vocabulary puts around a text. */
const SPECIAL_TOKENS = 16;

/** In `enum ggml_log_level`; a continued line has a number after all of them. */
const [LOG_INFO, LOG_WARNING] = [2, 3];

/** What a dry run says of a tensor: what it is, and what it would become if that is something else. */
const DRY_RUN_LINE =
  /\] (?<name>\S+) +- \[[^\]]*\], type = +(?<from>\w+), size = [^\n]*?MiB(?: -> [^\n]*\((?<to>\w+)\))?\n/gu;

/** The file in `folder` that is `library`, with or without a version in its name. */
function findLibrary(folder, library) {
  const pattern = new RegExp(`^${library}(?:\\.v[\\d.]+)?\\.so$`, 'u');
  const name = readdirSync(folder).find((file) => pattern.test(file));
  if (name === undefined) throw new Error(`no ${library} in ${folder}`);
  return path.join(folder, name);
}

/**
 * The functions that are used. `params` stands for each structure that they hand over by value: it is larger than any
 * of them, and on x86-64 System V what is larger than two registers is handed over in memory, so that the rest is unused.
 * Its type has no name: names are shared by all who use koffi in a process, each test file for instance.
 */
function functionsOf(koffi, folder) {
  const backends = koffi.load(findLibrary(folder, 'libggml'));
  const library = koffi.load(findLibrary(folder, 'libllama'));
  const params = koffi.struct({ words: koffi.array('int64_t', 64, 'Typed') });
  const batch = koffi.struct({ words: koffi.array('int64_t', 7, 'Typed') });
  const log = koffi.pointer(koffi.proto('void', ['int', 'str', 'void *']));
  return {
    log,
    loadBackends: backends.func('ggml_backend_load_all_from_path', 'void', ['str']),
    setLog: library.func('llama_log_set', 'void', [log, 'void *']),
    quantizeParams: library.func('llama_model_quantize_default_params', params, []),
    quantize: library.func('llama_model_quantize', 'uint32_t', ['str', 'str', 'const void *']),
    modelParams: library.func('llama_model_default_params', params, []),
    loadModel: library.func('llama_model_load_from_file', 'void *', ['str', params]),
    freeModel: library.func('llama_model_free', 'void', ['void *']),
    vocabulary: library.func('llama_model_get_vocab', 'void *', ['void *']),
    vocabularySize: library.func('llama_vocab_n_tokens', 'int', ['void *']),
    tokenize: library.func('llama_tokenize', 'int', ['void *', 'void *', 'int', 'void *', 'int', 'bool', 'bool']),
    width: library.func('llama_model_n_embd', 'int', ['void *']),
    contextParams: library.func('llama_context_default_params', params, []),
    newContext: library.func('llama_init_from_model', 'void *', ['void *', params]),
    freeContext: library.func('llama_free', 'void', ['void *']),
    setThreads: library.func('llama_set_n_threads', 'void', ['void *', 'int', 'int']),
    batchOf: library.func('llama_batch_get_one', batch, ['void *', 'int']),
    memoryOf: library.func('llama_get_memory', 'void *', ['void *']),
    clearMemory: library.func('llama_memory_clear', 'void', ['void *', 'bool']),
    decode: library.func('llama_decode', 'int', ['void *', batch]),
    logitsAt: library.func('llama_get_logits_ith', 'void *', ['void *', 'int']),
    setEmbeddings: library.func('llama_set_embeddings', 'void', ['void *', 'bool']),
    embeddingOf: library.func('llama_get_embeddings_seq', 'void *', ['void *', 'int']),
    embeddingAt: library.func('llama_get_embeddings_ith', 'void *', ['void *', 'int']),
  };
}

/** The default parameters as bytes, after a look whether the library lays them out as we think. */
function quantizeParams(llama) {
  const bytes = new Uint8Array(BigInt64Array.from(llama.quantizeParams().words, BigInt).buffer);
  const view = new DataView(bytes.buffer);
  const at = (offset) => view.getInt32(offset, true);
  const { fileType, outputType, embeddingType, flags } = QUANTIZE_PARAMS;
  const isKnown =
    at(fileType) === FILE_TYPE_NUMBERS.Q8_0 &&
    at(outputType) === at(embeddingType) &&
    DEFAULT_FLAGS.every((flag, i) => bytes[flags + i] === flag);
  if (!isKnown) throw new Error('llama_model_quantize_params is not laid out as this binding thinks');
  return { bytes, view };
}

/** What the library is to point at, for as long as a call takes. */
class Pointed {
  #koffi;
  #held = [];

  constructor(koffi) {
    this.#koffi = koffi;
  }

  /** The address of a copy of these bytes. */
  bytes(bytes) {
    const place = this.#koffi.alloc('uint8_t', bytes.length);
    this.#koffi.encode(place, this.#koffi.array('uint8_t', bytes.length), bytes);
    this.#held.push(place);
    return this.#koffi.address(place);
  }

  text(text) {
    return this.bytes(Buffer.from(`${text}\0`));
  }

  free() {
    for (const place of this.#held) this.#koffi.free(place);
  }
}

/** Words of 64 bits one after the other, as C has structures of pointers and sizes. */
const wordBytes = (words) => new Uint8Array(BigInt64Array.from(words, BigInt).buffer);

/** `llama_model_imatrix_data`, ended by one without a name. */
function importanceAt(pointed, importance) {
  const entries = [...importance].flatMap(([name, values]) => {
    const floats = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return [pointed.text(name), pointed.bytes(floats), values.length];
  });
  return pointed.bytes(wordBytes([...entries, 0, 0, 0]));
}

/** `llama_model_tensor_override`, ended by one without a pattern. */
const typeRulesAt = (pointed, rules) =>
  pointed.bytes(
    wordBytes([...rules.flatMap(([pattern, type]) => [pointed.text(pattern), GGML_TYPE_NUMBERS[type]]), 0, 0]),
  );

const OVERRIDE_TAGS = ['int', 'float', 'bool', 'str'];
const OVERRIDE = { bytes: 264, key: 4, value: 136 };

/** `llama_model_kv_override`, ended by one without a key. */
function overridesAt(pointed, overrides) {
  const bytes = Buffer.alloc(OVERRIDE.bytes * (overrides.length + 1));
  overrides.forEach(([key, type, value], i) => {
    const one = bytes.subarray(i * OVERRIDE.bytes);
    one.writeInt32LE(OVERRIDE_TAGS.indexOf(type));
    one.write(key, OVERRIDE.key);
    if (type === 'int') one.writeBigInt64LE(BigInt(value), OVERRIDE.value);
    else if (type === 'float') one.writeDoubleLE(value, OVERRIDE.value);
    else if (type === 'bool') one.writeUInt8(Number(value), OVERRIDE.value);
    else one.write(value, OVERRIDE.value);
  });
  return pointed.bytes(bytes);
}

const layersAt = (pointed, layers) => pointed.bytes(new Uint8Array(Int32Array.from([...layers, -1]).buffer));

/** Writes options of `quantize` into the parameters. */
function setParams({ bytes, view }, pointed, options) {
  const { type, pure = false, threads = 1, requantize = false, copy = false, keepSplit = false } = options;
  const {
    dryRun = false,
    leaveOutput = false,
    outputType,
    embeddingType,
    importance,
    overrides,
    typeRules,
    prune,
  } = options;
  view.setInt32(QUANTIZE_PARAMS.threads, threads, true);
  view.setInt32(QUANTIZE_PARAMS.fileType, FILE_TYPE_NUMBERS[type], true);
  if (outputType !== undefined) view.setInt32(QUANTIZE_PARAMS.outputType, GGML_TYPE_NUMBERS[outputType], true);
  if (embeddingType !== undefined) view.setInt32(QUANTIZE_PARAMS.embeddingType, GGML_TYPE_NUMBERS[embeddingType], true);
  bytes[QUANTIZE_PARAMS.requantize] = Number(requantize);
  bytes[QUANTIZE_PARAMS.quantizesOutput] = Number(!leaveOutput);
  bytes[QUANTIZE_PARAMS.copies] = Number(copy);
  bytes[QUANTIZE_PARAMS.pure] = Number(pure);
  bytes[QUANTIZE_PARAMS.keepsSplit] = Number(keepSplit);
  bytes[QUANTIZE_PARAMS.dryRun] = Number(dryRun);
  const point = (offset, given, placed) => {
    if (given !== undefined) view.setBigUint64(offset, BigInt(placed(pointed, given)), true);
  };
  point(QUANTIZE_PARAMS.importance, importance, importanceAt);
  point(QUANTIZE_PARAMS.overrides, overrides, overridesAt);
  point(QUANTIZE_PARAMS.typeRules, typeRules, typeRulesAt);
  point(QUANTIZE_PARAMS.pruned, prune, layersAt);
}

/** Has `work` use a context of a model. */
function inContext(llama, model, threads, work) {
  const context = llama.newContext(model, llama.contextParams());
  if (context === null) throw new Error('llama.cpp makes no context');
  try {
    llama.setThreads(context, threads, threads);
    return work(context);
  } finally {
    llama.freeContext(context);
  }
}

function decode(koffi, llama, context, tokens) {
  // The batch points at them: they have to outlive the call.
  const held = koffi.alloc('int32_t', tokens.length);
  koffi.encode(held, koffi.array('int32_t', tokens.length), tokens);
  const status = llama.decode(context, llama.batchOf(held, tokens.length));
  koffi.free(held);
  if (status !== 0) throw new Error(`llama_decode gives ${status}`);
}

const floatsAt = (koffi, address, count) =>
  Float32Array.from(koffi.decode(address, koffi.array('float', count, 'Typed')));

/** By text: logits after each of its tokens, one after the other: tokens × the vocabulary's size. */
function logitsOf(koffi, llama, model, texts, threads) {
  const size = llama.vocabularySize(llama.vocabulary(model));
  return inContext(llama, model, threads, (context) =>
    texts.map((tokens) => {
      forget(llama, context);
      const logits = new Float32Array(tokens.length * size);
      tokens.forEach((token, i) => {
        decode(koffi, llama, context, [token]);
        logits.set(floatsAt(koffi, llama.logitsAt(context, -1), size), i * size);
      });
      return logits;
    }),
  );
}

/** By text: the model's embedding of all its tokens, pooled as its file says; where it says nothing, that of the last one. */
function embeddingsOf(koffi, llama, model, texts, threads) {
  return inContext(llama, model, threads, (context) => {
    llama.setEmbeddings(context, true);
    return texts.map((tokens) => {
      forget(llama, context);
      decode(koffi, llama, context, tokens);
      const address = llama.embeddingOf(context, 0) ?? llama.embeddingAt(context, -1);
      return floatsAt(koffi, address, llama.width(model));
    });
  });
}

/** What came before in a context has no say in what comes. Encoders have no memory. */
function forget(llama, context) {
  const memory = llama.memoryOf(context);
  if (memory !== null) llama.clearMemory(memory, true);
}

/** The ids of a text's tokens; what looks like a special token in it is one. */
function tokensOf(llama, vocabulary, text, special) {
  const bytes = new TextEncoder().encode(text);
  const ids = new Int32Array(bytes.length + SPECIAL_TOKENS);
  const count = llama.tokenize(vocabulary, bytes, bytes.length, ids, ids.length, special, true);
  if (count < 0) throw new Error(`${text} has ${-count} tokens, more than there is room for`);
  return [...ids.subarray(0, count)];
}

/**
 * llama.cpp itself, from the npm package that tests/peers names; null where that has no library for the platform.
 * Its log is kept from the terminal; what went wrong is in the errors' messages.
 *
 * - `quantize(input, output, { type, … })` writes the GGUF file `output`, or with `keepSplit` the shards of that name; `type`
 *   is one of FILE_TYPE_NUMBERS. `requantize` lets it start from a quantized file, `copy` copies tensors, `importance` are
 *   values by tensor, `overrides` are `[key, 'int' | 'float' | 'bool' | 'str', value]`, `typeRules` `[pattern, ggml type]`,
 *   `prune` layers in ascending order.
 * - `types(input, { type, … })` are [name, type] of the tensors that it would write, in their order. It writes nothing, and
 *   asks for no importance.
 * - `logits(file, tokens, { threads })` are those after each token, tokens × vocabulary, computed on the CPU.
 * - `embedding(file, tokens, { threads })` is what a model of embeddings makes of the tokens, pooled as it says.
 * - `embeddings(file, texts, { threads })` and `allLogits(…)` are the same for several lists of tokens.
 * - `tokenize(file, texts, { special })` are the ids of each text's tokens; with `special` also of those that the
 *   vocabulary puts around it.
 * All throw an Error with llama.cpp's own words.
 *
 * @returns {null | {
 *   quantize: (input: string, output: string,
 *     options: {type: string, pure?: boolean, threads?: number, requantize?: boolean, copy?: boolean, keepSplit?: boolean,
 *       leaveOutput?: boolean, outputType?: string, embeddingType?: string, importance?: Map<string, Float32Array>,
 *       overrides?: [string, string, string | number | boolean][], typeRules?: [string, string][], prune?: number[]}) => void,
 *   types: (input: string, options: object) => [string, string][],
 *   logits: (file: string, tokens: readonly number[], options?: {threads?: number}) => Float32Array,
 *   embedding: (file: string, tokens: readonly number[], options?: {threads?: number}) => Float32Array,
 *   embeddings: (file: string, texts: readonly (readonly number[])[], options?: {threads?: number}) => Float32Array[],
 *   allLogits: (file: string, texts: readonly (readonly number[])[], options?: {threads?: number}) => Float32Array[],
 *   tokenize: (file: string, texts: readonly string[], options?: {special?: boolean}) => number[][]}}
 */
export function openLlamaModels() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return null;
  const koffi = require('koffi');
  const packageFolder = path.dirname(path.dirname(require.resolve('@node-llama-cpp/linux-x64')));
  const folder = path.join(packageFolder, 'bins/linux-x64');
  const llama = functionsOf(koffi, folder);
  let said = [];
  let leastLevel = LOG_WARNING;
  const log = koffi.register((level, text) => void (level >= leastLevel && said.push(text)), llama.log);
  const listen = (level = LOG_WARNING) => {
    said = [];
    leastLevel = level;
    llama.setLog(log, null);
  };
  listen();
  llama.loadBackends(folder);
  const complaint = (what) => new Error(`llama.cpp ${what}: ${said.join('').trim()}`);
  const withModel = (file, work) => {
    listen();
    const model = llama.loadModel(file, llama.modelParams());
    if (model === null) throw complaint(`does not load ${file}`);
    try {
      return work(model);
    } finally {
      llama.freeModel(model);
    }
  };
  const quantize = (input, output, options) => {
    const params = quantizeParams(llama);
    const pointed = new Pointed(koffi);
    try {
      setParams(params, pointed, options);
      if (llama.quantize(input, output, params.bytes) === 0) return;
    } finally {
      pointed.free();
    }
    throw complaint(`does not quantize ${input} to ${options.type}`);
  };
  return {
    quantize(input, output, options) {
      listen();
      quantize(input, output, options);
    },
    types(input, options) {
      listen(LOG_INFO);
      quantize(input, '', { ...options, dryRun: true });
      return [...said.join('').matchAll(DRY_RUN_LINE)].map(({ groups: { name, from, to = from } }) => [
        name,
        to.toUpperCase(),
      ]);
    },
    logits: (file, tokens, { threads = 1 } = {}) =>
      withModel(file, (model) => logitsOf(koffi, llama, model, [tokens], threads)[0]),
    embedding: (file, tokens, { threads = 1 } = {}) =>
      withModel(file, (model) => embeddingsOf(koffi, llama, model, [tokens], threads)[0]),
    embeddings: (file, texts, { threads = 2 } = {}) =>
      withModel(file, (model) => embeddingsOf(koffi, llama, model, texts, threads)),
    allLogits: (file, texts, { threads = 2 } = {}) =>
      withModel(file, (model) => logitsOf(koffi, llama, model, texts, threads)),
    tokenize: (file, texts, { special = false } = {}) =>
      withModel(file, (model) => texts.map((text) => tokensOf(llama, llama.vocabulary(model), text, special))),
  };
}
