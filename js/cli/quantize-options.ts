/** The options of `quantize` that say what becomes of a model. */

import { Option, type Command } from 'commander';
import { FILE_FORMATS, FOLDER_FORMATS, MIXTURE_NAMES, type MixtureName } from '../formats/names.js';
import { nameIn } from '../checks.js';
import { CONTAINERS } from '../containers/table.js';
import type { FileType, LayoutName, Mode, Profile, Program, Effort, QuantizeFileOptions } from '../index.js';
import { ARCHITECTURES, EFFORTS, FILE_TYPES, PROGRAMS, TENSOR_TYPES } from '../index.js';
import { COPY } from '../types.js';
import { LAYOUTS } from '../layouts/table.js';
import { floorOptions, layerBitsOption, type FloorOptions } from './floor.js';
import { imatrixOptions, type ImatrixOptions } from './gguf/imatrix.js';
import { askedOptions, type AskedOptions } from './gguf/asked.js';
import { checkpointOptions, type CheckpointOptions } from './gguf/options.js';
import { onnxOptions, type OnnxOptions } from './onnx/options.js';
import {
  collectRule,
  jsonOption,
  memoryLimitOption,
  noSyncOption,
  parseSize,
  quietOption,
  resumeOption,
  threadsOption,
  verboseOption,
  type CommonOptions,
} from './options.js';
import { partOptions, type PartOptions } from './parts.js';
import { headerOption } from './servers.js';

const TYPES: readonly string[] = [...new Set([...FILE_TYPES, COPY, ...TENSOR_TYPES])];

/** What `quantize` is told on the command line, as commander gives it. */
export interface QuantizeOptions
  extends CommonOptions, OnnxOptions, CheckpointOptions, AskedOptions, ImatrixOptions, FloorOptions, PartOptions {
  readonly format?: NonNullable<QuantizeFileOptions['format']>;
  readonly type?: FileType;
  readonly mix?: MixtureName;
  readonly doubleQuant?: boolean;
  readonly dtype?: 'F32' | 'F16' | 'BF16';
  readonly pure?: boolean;
  readonly architecture?: string;
  readonly for?: Program;
  readonly f16Overflow?: 'error' | 'f32';
  readonly splitSize?: number;
  readonly effort?: Effort;
  readonly rule?: NonNullable<QuantizeFileOptions['rules']>;
  readonly bits?: string;
  readonly groupSize?: string;
  readonly symmetric?: boolean;
  readonly mode?: Mode;
  readonly profile?: Profile;
  readonly metrics: boolean;
  readonly dryRun?: boolean;
  readonly layout?: LayoutName;
}

const FORMATS: readonly string[] = [...CONTAINERS.map(({ name }) => name), ...FOLDER_FORMATS, ...FILE_FORMATS];

/** In the order in which the help lists them. */
export function addQuantizeOptions(command: Command): void {
  for (const option of [
    ...formatOptions(),
    ...ggufOptions(),
    ...askedOptions(),
    ...checkpointOptions(),
    ...affineOptions(),
    ...onnxOptions(),
    ...generalOptions(),
  ]) {
    command.addOption(option);
  }
}

/**
 * Exits where options were given that only a GGUF has, together with such that only affine levels have. Other formats have
 * types and bits.
 */
export function refuseMixedOptions(command: Command): void {
  const given = (option: Option): boolean => command.getOptionValueSource(option.attributeName()) === 'cli';
  const [affine] = affineOptions().filter(given);
  const [gguf] = [...ggufOptions(), ...askedOptions(), ...checkpointOptions()].filter(given);
  if (affine === undefined || gguf === undefined) return;
  command.error(`error: option '${affine.flags}' cannot be used with option '${gguf.flags}'`);
}

/** Exits where options say which files of ONNX models are made, and none is. */
export function refuseOnnxPlaces(command: Command): void {
  const found = onnxOptions().find(
    (option) =>
      ['types', 'outDir'].includes(option.attributeName()) &&
      command.getOptionValue(option.attributeName()) !== undefined,
  );
  if (found === undefined) return;
  command.error(`error: option '${found.flags}' has no meaning, because the output is no ONNX model; leave it out`);
}

const isFileType = (type: string): boolean => (FILE_TYPES as readonly string[]).includes(type);

const parseType = (text: string): string => {
  const type = nameIn(TYPES, text) ?? text;
  return !isFileType(type) && isFileType(`${type}_M`) ? `${type}_M` : type;
};

const formatOptions = (): Option[] => [
  new Option(
    '--format <name>',
    'whose format is written; mlx, compressed-tensors, bitsandbytes and mlc are folders (default: what the name of the output says)',
  ).choices(FORMATS),
  new Option('--mix <name>', 'mlx: more bits for the layers that matter more').choices(MIXTURE_NAMES),
  new Option('--double-quant', 'bitsandbytes: the scales are quantized, too'),
  new Option('--dtype <type>', 'folders: type of what is not quantized (default: what config.json says)')
    .choices(['F32', 'F16', 'BF16'])
    .argParser((text) => text.toUpperCase()),
];

const ggufOptions = (): Option[] => [
  new Option(
    '--type <type>',
    'what the weights become: a GGUF is written, or, of F32, F16 and BF16, safetensors too, of the first two Arrow',
  )
    .choices(TYPES)
    .argParser(parseType),
  new Option('--pure', 'GGUF: one format for all that is quantized, where the type would mix several'),
  new Option(
    '--architecture <name>',
    'GGUF: whose rules apply; none: general ones, for a model that no program opens (default: found out); folders: the model_type, or none',
  )
    .choices(ARCHITECTURES)
    .argParser((text) => text),
  new Option('--for <program>', 'GGUF of a diffusion model: what is to open it (default: comfyui)').choices(PROGRAMS),
  new Option(
    '--f16-overflow <what>',
    'tensors with weights too large for F16: refuse them, or keep them F32 (default: error; in a language model that becomes F16, BF16 or Q8_0 they are infinite, as llama.cpp writes them)',
  ).choices(['error', 'f32']),
];

const affineOptions = (): Option[] => [
  new Option('--bits <n>', 'safetensors: bits a weight (default: 4); 3, 5 and 6 for mlx').choices([
    '2',
    '3',
    '4',
    '5',
    '6',
    '8',
  ]),
  new Option(
    '--group-size <n>',
    'safetensors: weights that share a scale (default: 128, in mode base the whole tensor; of a format its own)',
  ).choices(['16', '32', '64', '128', '256', 'tensor']),
  layerBitsOption(),
  new Option('--symmetric', 'safetensors: one signed scale a group, and no zero point of its own'),
  new Option(
    '--mode <mode>',
    'safetensors: which tensors stay as they are: the sensitive ones of diffusion models, or only norms, biases and vectors (default: diffusion)',
  ).choices(['diffusion', 'base']),
  new Option(
    '--profile <profile>',
    'safetensors: bits and group size in one: edge is 2/256, local 4/128, cloud 8/64',
  ).choices(['edge', 'local', 'cloud']),
];

const generalOptions = (): Option[] => [
  ...imatrixOptions(),
  new Option(
    '--effort <effort>',
    "how hard to search: llama.cpp's bytes, those that it writes with an importance matrix of ones, or the least error (default: reference)",
  ).choices(EFFORTS),
  new Option(
    '--rule <regex=type>',
    'tensors whose names match, or, after "=", the one of that name, get this type; "keep" leaves them as they are, "drop" leaves them out; repeatable, the first that matches counts',
  ).argParser(collectRule),
  ...floorOptions(),
  new Option('--split-size <size>', 'write files of at most that size, such as 512MB').argParser(parseSize),
  ...partOptions(),
  new Option('--layout <name>', 'how what is quantized lies in the file (default: what holds the type)').choices(
    LAYOUTS.map(({ name }) => name),
  ),
  new Option('--dry-run', 'print what would become what, and why; write nothing').conflicts('quiet'),
  new Option('--no-metrics', 'do not measure what was lost'),
  resumeOption(),
  noSyncOption(),
  memoryLimitOption(),
  threadsOption(),
  headerOption(),
  jsonOption(),
  quietOption(),
  verboseOption(),
];
