import { Command, Option } from 'commander';
import type {
  Architecture,
  BitWidth,
  ContainerName,
  FileType,
  GroupSize,
  LayoutName,
  Mode,
  Profile,
  Program,
  QuantizeFileOptions,
} from '../../index.js';
import { nameIn } from '../../checks.js';
import { containerFor } from '../../containers/registry.js';
import { ARCHITECTURES, FILE_TYPES, PROGRAMS, TENSOR_TYPES } from '../../index.js';
import { LAYOUTS } from '../../layouts/table.js';
import { DEFAULT_BITS, PROFILES } from '../../options/batch.js';
import { convertWithProgress } from '../conversion.js';
import { checkOutput } from '../dry-run.js';
import {
  collectRule,
  durabilityOf,
  jsonOption,
  memoryLimitOption,
  noSyncOption,
  parsePath,
  parseSize,
  quietOption,
  resumeOption,
  siblingName,
  threadsOption,
  verboseOption,
  type CommonOptions,
} from '../options.js';
import { printPlan } from '../plan.js';
import { HUB_HELP, headerOption, webOptions } from '../servers.js';
import { withQuantizer } from '../session.js';

interface QuantizeOptions extends CommonOptions {
  readonly type?: FileType;
  readonly pure?: boolean;
  readonly architecture?: Architecture;
  readonly for?: Program;
  readonly f16Overflow?: 'error' | 'f32';
  readonly splitSize?: number;
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

const DEFAULT_TYPE: FileType = 'Q4_K_M';

const TYPES: readonly string[] = [...new Set([...FILE_TYPES, ...TENSOR_TYPES])];

const EXAMPLES = `
Examples:
  $ arrowquant quantize model.safetensors --type Q4_K_M
      a GGUF for llama.cpp, ComfyUI-GGUF or stable-diffusion.cpp, to model-Q4_K_M.gguf
  $ arrowquant quantize model-f16.gguf --type Q5_K_M --rule 'attn_v=Q8_0' --dry-run
      what would become what, and why; nothing is written
  $ arrowquant quantize model.safetensors --type Q8_0 --rule 'attn\\.mask$=drop'
      without the buffers that no GGUF can hold
  $ arrowquant quantize https://example.org/model.safetensors model-Q8_0.gguf --type Q8_0 --resume
      a model on a server, read as it is quantized; the same line once more goes on after an interruption
  $ arrowquant quantize hf:organization/model --type Q4_K_M
      a model on the Hugging Face Hub, to model-Q4_K_M.gguf
  $ arrowquant quantize model.safetensors
      4 bits in groups of 128, to model-int4.safetensors
  $ arrowquant quantize model-f32.safetensors model-f16.safetensors --type F16
      the same model in halves
  $ arrowquant quantize model.safetensors.index.json small.safetensors --bits 8 --group-size 64
      all shards of a model, into one file

${HUB_HELP.trim()}

Types: ${FILE_TYPES.join(', ')}; K types without a suffix are _M.
What stays as it is, and what the output looks like, is in docs/formats.md of the repository.`;

export function quantizeCommand(): Command {
  const command = new Command('quantize')
    .description('Quantize the weights of a model file: to a GGUF, or to 2, 4 or 8 bits in safetensors.')
    .argument(
      '<in>',
      'safetensors, GGUF or PyTorch file, one part or the index of a sharded model, the URL of one, or hf:organization/model',
      parsePath,
    )
    .argument('[out]', 'file to write (default: <in> with the type or -int<bits> added to its name)', parsePath);
  const affine = affineOptions().map((option) => option.conflicts(TYPE_ONLY));
  for (const option of [...ggufOptions(), ...affine, ...generalOptions()]) command.addOption(option);
  return command
    .addHelpText('after', EXAMPLES)
    .action((input: string, output: string | undefined, options: QuantizeOptions) => quantize(input, output, options));
}

/** Attributes of the options that affine levels have no use for. */
const TYPE_ONLY = ['type', 'pure', 'architecture', 'for', 'f16Overflow'];

const ggufOptions = (): Option[] => [
  new Option('--type <type>', 'what the weights become: a GGUF is written, or, of F32, F16 and BF16, safetensors too')
    .choices(TYPES)
    .argParser(parseType),
  new Option('--pure', 'GGUF: one format for all that is quantized, where the type would mix several'),
  new Option(
    '--architecture <name>',
    'GGUF: whose rules apply; none: general ones, for a model that no program opens (default: found out)',
  ).choices(ARCHITECTURES),
  new Option('--for <program>', 'GGUF of a diffusion model: what is to open it (default: comfyui)').choices(PROGRAMS),
  new Option(
    '--f16-overflow <what>',
    'tensors with weights too large for F16: refuse them, or keep them F32 (default: error)',
  ).choices(['error', 'f32']),
];

const affineOptions = (): Option[] => [
  new Option('--bits <n>', 'safetensors: bits a weight (default: 4)').choices(['2', '4', '8']),
  new Option(
    '--group-size <n>',
    'safetensors: weights that share a scale (default: 128, in mode base the whole tensor)',
  ).choices(['32', '64', '128', '256', 'tensor']),
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
  new Option(
    '--rule <regex=type>',
    'tensors whose names match, or, after "=", the one of that name, get this type; "keep" leaves them as they are, "drop" leaves them out; repeatable, the first that matches counts',
  ).argParser(collectRule),
  new Option('--split-size <size>', 'write files of at most that size, such as 512MB').argParser(parseSize),
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

const isFileType = (type: string): boolean => (FILE_TYPES as readonly string[]).includes(type);

const parseType = (text: string): string => {
  const type = nameIn(TYPES, text) ?? text;
  return !isFileType(type) && isFileType(`${type}_M`) ? `${type}_M` : type;
};

async function quantize(input: string, output: string | undefined, options: QuantizeOptions): Promise<void> {
  const { threads, json, quiet, verbose, resume, memoryLimit } = options;
  const web = await webOptions([input], options);
  const durability = durabilityOf(options);
  const target = output ?? defaultOutput(input, options);
  const what = quantizationOf(target, options);
  if (options.dryRun === true) {
    const plan = await withQuantizer({ threads, verbose }, async (quantizer, signal) => {
      const container = containerFor(target).name as ContainerName;
      const made = await quantizer.plan(input, { ...what, ...web, container, resume, durability, memoryLimit, signal });
      await checkOutput(input, target, made, { signal, web });
      return made;
    });
    printPlan(plan, { json });
    return;
  }
  await convertWithProgress({ threads, json, quiet, verbose, resume }, (quantizer, going) =>
    quantizer.quantizeFile(input, target, { ...what, ...web, resume, durability, memoryLimit, ...going }),
  );
}

function defaultOutput(input: string, { type, bits, profile }: QuantizeOptions): string {
  if (type !== undefined) return siblingName(input, `-${type}${isFileType(type) ? '.gguf' : '.safetensors'}`);
  const named = bits ?? (profile === undefined ? DEFAULT_BITS : PROFILES[profile].bits);
  return siblingName(input, `-int${named}.safetensors`);
}

function quantizationOf(target: string, options: QuantizeOptions): QuantizeFileOptions {
  const { type, pure, architecture, f16Overflow, splitSize, rule, symmetric, profile, metrics } = options;
  const { bits, groupSize, mode, layout } = options;
  const gguf = type ?? (target.toLowerCase().endsWith('.gguf') && bits === undefined ? DEFAULT_TYPE : undefined);
  return {
    ...{
      type: gguf,
      pure,
      architecture,
      for: options.for,
      f16Overflow,
      splitSize,
      symmetric,
      profile,
      mode,
      metrics,
      layout,
      rules: rule,
    },
    bits: bits === undefined ? undefined : (Number(bits) as BitWidth),
    groupSize: groupSize === undefined || groupSize === 'tensor' ? groupSize : (Number(groupSize) as GroupSize),
  };
}
