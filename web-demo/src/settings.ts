/** What the person chooses, and how the package is told. */

import type {
  Architecture,
  BitWidth,
  Effort,
  FileType,
  GroupSize,
  Mode,
  Program,
  QuantizeFileOptions,
  TensorType,
} from 'arrowquant';

import { formatType, isFormat, type FormatOutput, type OutputName } from './outputs';

export interface RuleRow {
  /** Stable identity of the row on the page. */
  readonly id: number;
  readonly pattern: string;
  readonly type: TensorType | 'keep';
}

export interface Settings {
  readonly output: OutputName;
  /** The types chosen for other programs' formats, by the format. */
  readonly formatTypes: Readonly<Partial<Record<FormatOutput, string>>>;
  /** Of those formats; null: the usual one. */
  readonly formatGroupSize: QuantizeFileOptions['groupSize'] | null;
  readonly type: FileType;
  readonly pure: boolean;
  /** Null: found out from the tensors' names. */
  readonly architecture: Architecture | null;
  /** What is to open the GGUF of a diffusion model. */
  readonly program: Program;
  /** Of a GGUF of blocks: how hard to search for less error. */
  readonly effort: Effort;
  /** Of a GGUF: says which columns count more. */
  readonly imatrix: File | null;
  readonly bits: BitWidth;
  readonly groupSize: GroupSize;
  readonly symmetric: boolean;
  readonly mode: Mode;
  readonly rules: readonly RuleRow[];
}

export const DEFAULT_SETTINGS: Settings = {
  output: 'gguf',
  formatTypes: {},
  formatGroupSize: null,
  type: 'Q4_K_M',
  pure: false,
  architecture: null,
  program: 'comfyui',
  effort: 'reference',
  imatrix: null,
  bits: 4,
  groupSize: 128,
  symmetric: false,
  mode: 'diffusion',
  rules: [],
};

/** File types in the order in which they are offered, with what is said about them. */
export const FILE_TYPES: readonly {
  readonly title: string;
  readonly types: readonly (readonly [FileType, string])[];
}[] = [
  {
    title: 'K-quants: mixed, best for their size',
    types: [
      ['Q2_K', 'smallest, visible loss'],
      ['Q3_K_S', 'small'],
      ['Q3_K_M', 'small, better'],
      ['Q3_K_L', 'small, best of 3 bits'],
      ['Q4_K_S', 'half of Q8_0, good'],
      ['Q4_K_M', 'the usual choice'],
      ['Q5_K_S', 'little loss'],
      ['Q5_K_M', 'little loss, better'],
      ['Q6_K', 'almost none'],
    ],
  },
  {
    title: 'One block type',
    types: [
      ['Q4_0', 'fast, simple'],
      ['Q4_1', 'with a minimum'],
      ['Q5_0', 'simple'],
      ['Q5_1', 'with a minimum'],
      ['Q8_0', 'near lossless'],
      ['IQ4_NL', 'non-linear levels'],
      ['IQ4_XS', 'non-linear, smaller'],
    ],
  },
  {
    title: 'Smaller: for language models, with an importance matrix',
    types: [
      ['IQ3_M', '3.7 bits'],
      ['IQ3_S', '3.4 bits'],
      ['IQ3_XS', '3.3 bits'],
      ['IQ3_XXS', '3.1 bits'],
      ['Q2_K_S', '2.8 bits'],
      ['IQ2_M', '2.7 bits'],
      ['IQ2_S', '2.5 bits'],
      ['IQ2_XS', '2.3 bits'],
      ['IQ2_XXS', '2.1 bits'],
      ['IQ1_M', '1.75 bits'],
      ['IQ1_S', '1.6 bits'],
    ],
  },
  {
    title: 'For models that were trained in them',
    types: [
      ['MXFP4_MOE', 'experts in 4-bit floats, the rest Q8_0'],
      ['Q2_0', 'four levels'],
      ['TQ2_0', 'three levels'],
      ['TQ1_0', 'three levels, smaller'],
      ['Q1_0', 'signs'],
    ],
  },
  {
    title: 'Floating point',
    types: [
      ['F16', 'half'],
      ['BF16', 'bfloat16'],
      ['F32', 'full'],
    ],
  },
];

const FLOAT_TYPES: readonly FileType[] = ['F16', 'BF16', 'F32'];

export const EFFORT_TITLES: readonly (readonly [Effort, string])[] = [
  ['reference', 'as llama.cpp'],
  ['better', 'better'],
  ['best', 'best'],
];

export const PROGRAM_TITLES: readonly (readonly [Program, string])[] = [
  ['comfyui', 'ComfyUI'],
  ['sd.cpp', 'stable-diffusion.cpp'],
];

export const GROUP_SIZES: readonly GroupSize[] = [32, 64, 128, 256, 'tensor'];
export const BIT_WIDTHS: readonly BitWidth[] = [2, 4, 8];

/** The options of a call; a rule without a pattern is one that is still being typed. */
export function quantizeOptions(settings: Settings): QuantizeFileOptions {
  const patterns = settings.rules.map(({ pattern, type }) => ({ pattern: pattern.trim(), type }));
  const given = patterns.filter(({ pattern }) => pattern !== '');
  const all = (outcome: 'keep' | 'F16') => given.map(({ pattern }) => [pattern, outcome] as const);
  if (isFormat(settings.output)) {
    const options = formatOptions(settings.output, settings);
    // All floats of such a model are F16.
    return { ...options, rules: all(options.type === 'q4f16' ? 'F16' : 'keep') };
  }
  const rules = settings.output === 'gguf' ? given.map(({ pattern, type }) => [pattern, type] as const) : all('keep');
  const { type, pure, architecture, program, effort, imatrix, bits, groupSize, symmetric, mode } = settings;
  return settings.output === 'gguf'
    ? {
        type,
        pure,
        rules,
        for: program,
        ...(architecture !== null && { architecture }),
        // Floats have nothing to search for.
        ...(effort !== 'reference' && !FLOAT_TYPES.includes(type) && { effort }),
        ...(imatrix !== null && { imatrix }),
      }
    : { bits, groupSize, symmetric, mode, rules };
}

function formatOptions(output: FormatOutput, { formatTypes, formatGroupSize }: Settings): QuantizeFileOptions {
  const { options, groupSizes } = formatType(output, formatTypes[output]);
  const isKnown = groupSizes?.some((size) => size === formatGroupSize) ?? false;
  return isKnown ? { ...options, groupSize: formatGroupSize } : options;
}

/**
 * A name for the result: the input's, without its ending and what splits it, with what it becomes. Of a folder the name is
 * that of the folder.
 */
export function outputName(input: string, { output, type, bits, formatTypes }: Settings): string {
  const base = input.split('/').at(-1) ?? input;
  const stem = base
    .replace(/\.index\.json$/i, '')
    .replace(/\.(?:safetensors|gguf|onnx|ckpt|pth?|bin)$/i, '')
    .replace(/-\d{5}-of-\d{5}$/, '');
  if (isFormat(output)) return `${stem}${formatType(output, formatTypes[output]).ending}`;
  return output === 'gguf' ? `${stem}-${type}.gguf` : `${stem}-int${String(bits)}.safetensors`;
}
