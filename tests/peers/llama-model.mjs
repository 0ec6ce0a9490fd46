import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

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
  IQ4_NL: 25,
  IQ4_XS: 30,
  BF16: 32,
};

/** Offsets in `struct llama_model_quantize_params`. */
const QUANTIZE_PARAMS = {
  threads: 0,
  fileType: 4,
  outputType: 8,
  embeddingType: 12,
  flags: 16,
  requantize: 16,
  pure: 19,
};
/** allow_requantize, quantize_output_tensor, only_copy, pure, keep_split, dry_run. */
const DEFAULT_FLAGS = [0, 1, 0, 0, 0, 0];

/** Room for what a vocabulary puts around a text. */
const SPECIAL_TOKENS = 16;

/** In `enum ggml_log_level`; a continued line has the number after it. */
const LOG_WARNING = 3;

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
 * - `quantize(input, output, { type, pure, threads, requantize })` writes the GGUF file `output`; `type` is one of
 *   FILE_TYPE_NUMBERS. `requantize` lets it start from a quantized file.
 * - `logits(file, tokens, { threads })` are those after each token, tokens × vocabulary, computed on the CPU.
 * - `embedding(file, tokens, { threads })` is what a model of embeddings makes of the tokens, pooled as it says.
 * - `embeddings(file, texts, { threads })` and `allLogits(…)` are the same for several lists of tokens.
 * - `tokenize(file, texts, { special })` are the ids of each text's tokens; with `special` also of those that the
 *   vocabulary puts around it.
 * All throw an Error with llama.cpp's own words.
 *
 * @returns {null | {
 *   quantize: (input: string, output: string,
 *     options: {type: string, pure?: boolean, threads?: number, requantize?: boolean}) => void,
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
  const log = koffi.register((level, text) => void (level >= LOG_WARNING && said.push(text)), llama.log);
  const listen = () => {
    said = [];
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
  return {
    quantize(input, output, { type, pure = false, threads = 1, requantize = false }) {
      listen();
      const { bytes, view } = quantizeParams(llama);
      view.setInt32(QUANTIZE_PARAMS.threads, threads, true);
      view.setInt32(QUANTIZE_PARAMS.fileType, FILE_TYPE_NUMBERS[type], true);
      view.setUint8(QUANTIZE_PARAMS.pure, Number(pure));
      view.setUint8(QUANTIZE_PARAMS.requantize, Number(requantize));
      if (llama.quantize(input, output, bytes) !== 0) throw complaint(`does not quantize ${input} to ${type}`);
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
