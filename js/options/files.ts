/** The options of calls that work on files, with every default filled in. */

import { choice, flag, invalidOption, nameIn } from '../checks.js';
import { QuantizeError } from '../errors.js';
import type { ContainerName } from '../containers/container.js';
import type { GivenConversionOptions, Quantization } from '../convert/convert-file.js';
import type {
  ConvertFileOptions,
  DequantizeFileOptions,
  QuantizeFileOptions,
  ReadTensorOptions,
} from '../convert/options.js';
import { PRESETS } from '../rules/presets.js';
import { ARCHITECTURES, FILE_TYPES, type FileType, type Mode } from '../types.js';
import { readDefaults, readGivenBatch, readSignal, type Defaults } from './batch.js';
import {
  CONVERT_OPTIONS,
  DEQUANTIZE_FILE_OPTIONS,
  QUANTIZE_FILE_OPTIONS,
  READ_TENSOR_OPTIONS,
  pickOptions,
  readOptions,
  type Given,
} from './names.js';
import { readRules } from './rules.js';

const FLOAT_TYPES = ['F32', 'F16', 'BF16'] as const;
const OVERFLOWS = { error: 'error', f32: 'f32' } as const;
const DEFAULT_TYPE: FileType = 'Q4_K_M';
const named = <Name extends string>(names: readonly Name[]): Readonly<Record<string, Name>> =>
  Object.fromEntries(names.map((name) => [name, name]));
/** Types are known in any case of their letters, as on the command line. */
const typeIn = <Name extends string>(option: string, names: readonly Name[], value: unknown): Name | undefined =>
  choice(option, nameIn(names, value) ?? value, named(names));

/** What only one kind of output understands. */
const AFFINE_OPTIONS = ['bits', 'groupSize', 'symmetric', 'profile', 'mode'] as const;
const GGUF_OPTIONS = ['type', 'pure', 'architecture', 'f16Overflow', 'splitSize'] as const;

/** One tensor may be larger: the smallest part that has a size anyone asks for. */
const LEAST_SPLIT_BYTES = 1e6;
const LEAST_MEMORY_BYTES = 16 * 2 ** 20;

/** `container` is what the name of the output says; null where there is no name. */
export function readQuantization(
  options: QuantizeFileOptions | null | undefined,
  defaults: Defaults,
  container: ContainerName | null,
): Quantization {
  const given = readOptions(options, QUANTIZE_FILE_OPTIONS);
  const type = typeIn('type', FILE_TYPES, given.type);
  if (type === undefined && container !== 'gguf') return readAffine(given, defaults);
  if (container === 'safetensors') {
    throw new QuantizeError('invalid_option', {
      detail: `type ${String(type)} needs an output whose name ends with .gguf`,
    });
  }
  refuse(given, AFFINE_OPTIONS, 'a GGUF; leave it out');
  return {
    kind: 'gguf',
    type: type ?? DEFAULT_TYPE,
    pure: flag('pure', given.pure),
    architecture: choice('architecture', given.architecture, named(ARCHITECTURES)) ?? null,
    keepOverflowing: choice('f16Overflow', given.f16Overflow, OVERFLOWS) === 'f32',
    splitBytes: readBytes('splitSize', given.splitSize, LEAST_SPLIT_BYTES),
    rules: readRules(given.rules),
    measure: flag('metrics', given.metrics ?? true),
  };
}

function readAffine(given: Given<QuantizeFileOptions>, defaults: Defaults): Quantization {
  refuse(given, GGUF_OPTIONS, 'affine levels in safetensors; leave it out, or give a type for a GGUF');
  const { mode, metrics = true, ...precision } = given;
  const { bits, groupSize, symmetric } = readGivenBatch(given.bits, precision, modeDefaults(mode, defaults));
  const preset = choice('mode', mode, PRESETS) ?? PRESETS[defaults.mode];
  const rules = readRules(given.rules);
  const typed = rules.find(({ type }) => type !== 'keep' && type !== 'drop');
  if (typed !== undefined) {
    const detail = `${typed.name} gives a type, but affine output knows "keep" and "drop" only`;
    throw new QuantizeError('invalid_option', { detail });
  }
  return {
    kind: 'affine',
    layout: { bits, groupSize: groupSize === 'tensor' ? 0 : groupSize, symmetric },
    ...{ rules, preset },
    measure: flag('metrics', metrics),
  };
}

function refuse(
  given: Given<QuantizeFileOptions>,
  names: readonly (keyof QuantizeFileOptions)[],
  output: string,
): void {
  const name = names.find((one) => given[one] !== undefined);
  if (name !== undefined) {
    const detail = `${name} has no meaning, because the output is ${output}`;
    throw new QuantizeError('invalid_option', { detail });
  }
}

function readBytes(name: string, value: unknown, least: number): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return value;
  throw invalidOption(name, value, `a whole number of bytes from ${String(least)} on`);
}

/** A mode that the call names brings its own group size, unless the quantizer's profile has decided that. */
const modeDefaults = (mode: Mode | undefined, defaults: Defaults): Defaults =>
  mode === undefined || defaults.profiled ? defaults : readDefaults({ mode });

/** Null: what the tensors were before. */
export const readRestoredType = (options: DequantizeFileOptions | null | undefined): 'F32' | 'F16' | 'BF16' | null =>
  typeIn('dtype', FLOAT_TYPES, readOptions(options, DEQUANTIZE_FILE_OPTIONS).dtype) ?? null;

/** What all calls on files have in common: a signal that is one, and callbacks that are functions. */
export function readFileOptions(options: ConvertFileOptions | null | undefined): GivenConversionOptions {
  const given = pickOptions(options, CONVERT_OPTIONS);
  return {
    signal: readSignal(given.signal),
    progress: callback('progress', given.progress),
    onTensor: callback('onTensor', given.onTensor),
    onEvent: callback('onEvent', given.onEvent),
    resume: flag('resume', given.resume),
    memoryLimit: readBytes('memoryLimit', given.memoryLimit, LEAST_MEMORY_BYTES) ?? Infinity,
  };
}

/** The name of a tensor. */
export function readName(name: unknown): string {
  if (typeof name === 'string') return name;
  throw invalidOption('name', name, 'the name of a tensor, a string');
}

/** An element range of a tensor. `end` undefined: to the last one. */
export function readRange(options: ReadTensorOptions | null | undefined): {
  readonly begin: number;
  readonly end: number | undefined;
} {
  const { begin = 0, end } = readOptions(options, READ_TENSOR_OPTIONS);
  return { begin: readIndex('begin', begin), end: end === undefined ? undefined : readIndex('end', end) };
}

function readIndex(name: string, value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw invalidOption(name, value, 'a whole number from 0 on');
}

function callback<T>(name: string, value: T | undefined): T | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'function') return value;
  throw invalidOption(name, value, 'a function');
}
