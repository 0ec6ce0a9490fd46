/** The options of every method, by name: one that is misspelt must not be ignored. */

import { fieldsOf, knownKeys, optionsOf, reading } from '../checks.js';
import type {
  ConvertFileOptions,
  DequantizeFileOptions,
  FileOptions,
  QuantizeFileOptions,
  ReadOptions,
  ReadTensorOptions,
  ValidateOptions,
} from '../convert/options.js';
import type { WebOptions } from '../endpoints.js';
import type { BatchOptions, CallOptions, CreateOptions, EncodeOptions, FloorOptions } from '../types.js';

type Names<Options> = Readonly<Record<keyof Options, true>>;

/** The options that were given: those without a value, undefined or null, are not among them. */
export type Given<Options> = { readonly [Name in keyof Options]?: NonNullable<Options[Name]> };

export const CREATE_OPTIONS: Names<CreateOptions> = {
  ...{ mode: true, profile: true, threads: true, backend: true, startupTimeout: true },
  ...{ wasmUrl: true, wasmBinary: true, workerUrl: true },
};
export const CALL_OPTIONS: Names<CallOptions> = { signal: true };
export const ENCODE_OPTIONS: Names<EncodeOptions> = { importance: true, effort: true, ...CALL_OPTIONS };
export const FLOOR_OPTIONS: Names<FloorOptions> = { minCosine: true, fallback: true, failFast: true };
export const BATCH_OPTIONS: Names<BatchOptions> = {
  ...{ groupSize: true, symmetric: true, profile: true, continueOnError: true, transfer: true, output: true },
  ...{ effort: true, importance: true, signal: true, layerBits: true, ...FLOOR_OPTIONS },
};
export const WEB_OPTIONS: Names<WebOptions> = { headers: true, fetch: true, accessToken: true, hubUrl: true };
export const READ_OPTIONS: Names<ReadOptions> = { ...WEB_OPTIONS, signal: true };
export const FILE_OPTIONS: Names<FileOptions> = { progress: true, ...READ_OPTIONS };
export const VALIDATE_OPTIONS: Names<ValidateOptions> = { minCosine: true, ...FILE_OPTIONS };
export const CONVERT_OPTIONS: Names<ConvertFileOptions> = {
  ...{ progress: true, onTensor: true, onEvent: true, signal: true, resume: true, memoryLimit: true },
  ...{ durability: true, ...WEB_OPTIONS },
};
export const QUANTIZE_FILE_OPTIONS: Names<QuantizeFileOptions> = {
  ...{ type: true, container: true, layout: true, importance: true, effort: true },
  ...{ imatrix: true, includeWeights: true, excludeWeights: true },
  ...{ pure: true, architecture: true, for: true, f16Overflow: true, splitSize: true },
  ...{ leaveOutput: true, outputType: true, embeddingType: true, pruneLayers: true, keepSplit: true },
  ...{ bits: true, groupSize: true, symmetric: true, profile: true, mode: true },
  ...{
    rules: true,
    targetBytes: true,
    layerBits: true,
    metrics: true,
    format: true,
    mix: true,
    doubleQuant: true,
    dtype: true,
    accuracyLevel: true,
    embeddings: true,
    onnxForm: true,
    onnxRuntime: true,
    externalData: true,
    via: true,
    name: true,
    pre: true,
    chatTemplate: true,
    keyValues: true,
    ...FLOOR_OPTIONS,
    ...CONVERT_OPTIONS,
  },
};
export const DEQUANTIZE_FILE_OPTIONS: Names<DequantizeFileOptions> = { dtype: true, ...CONVERT_OPTIONS };
export const READ_TENSOR_OPTIONS: Names<ReadTensorOptions> = { begin: true, end: true, ...READ_OPTIONS };

/** The caller's options, each read once. Throws `invalid_option` for a name that is not among `names`. */
export function readOptions<Options extends object>(
  options: Options | null | undefined,
  names: Names<Options>,
): Given<Options> {
  knownKeys(null, optionsOf(options), names);
  return pickOptions(options, names);
}

/** As `readOptions`, for callers' own objects: nobody reads those again. What their code throws becomes a cause. */
export const onceRead: typeof readOptions = (options, names) =>
  reading('invalid_option', () => readOptions(options, names));

/** Those of the options that are among `names`. */
export function pickOptions<Options extends object>(
  options: Options | null | undefined,
  names: Names<Options>,
): Given<Options> {
  const fields = fieldsOf(optionsOf(options));
  const given = Object.keys(names).flatMap((name) => {
    const value = fields[name];
    return value === undefined || value === null ? [] : [[name, value] as const];
  });
  return Object.fromEntries(given) as Given<Options>;
}
