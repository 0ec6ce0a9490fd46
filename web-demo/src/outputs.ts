/** What the page can make of a model besides GGUF and safetensors: models for other programs, in the types that those have. */

import type { QuantizeFileOptions } from 'arrowquant';

/** Of one file, and of folders. */
export type FormatOutput = 'onnx' | 'mlx' | 'compressed-tensors' | 'bitsandbytes' | 'mlc';
export type OutputName = 'gguf' | 'safetensors' | FormatOutput;

/** A type as it is offered. */
export interface FormatType {
  readonly name: string;
  readonly remark: string;
  /** How the package is told. */
  readonly options: QuantizeFileOptions;
  /** What the name of the result ends with. */
  readonly ending: string;
  /** Weights that may share a scale, the usual number first; absent where there is no choice. */
  readonly groupSizes?: readonly NonNullable<QuantizeFileOptions['groupSize']>[];
}

/** A program's way to store models. */
export interface FormatTitle {
  readonly title: string;
  /** What it is for. */
  readonly hint: string;
  readonly isFolder: boolean;
  /** The first one is the usual one. */
  readonly types: readonly FormatType[];
}

const ONNX_BLOCKS = [32, 16, 64, 128, 256] as const;

const onnx = (name: string, remark: string, ending: string, hasBlocks = false): FormatType => ({
  ...{ name, remark, ending: `_${ending}.onnx`, options: { format: 'onnx', type: name } as QuantizeFileOptions },
  ...(hasBlocks && { groupSizes: ONNX_BLOCKS }),
});

const mlxBits = (bits: 2 | 3 | 4 | 5 | 6 | 8, remark: string): FormatType => ({
  ...{ name: `${String(bits)} bits`, remark, ending: `-mlx-${String(bits)}bit`, options: { format: 'mlx', bits } },
  groupSizes: [64, 32, 128],
});

const typed = (format: Exclude<FormatOutput, 'onnx'>, name: string, remark: string): FormatType => ({
  ...{ name, remark, ending: `-${format === 'mlx' ? 'mlx-' : ''}${name}` },
  options: { format, type: name } as QuantizeFileOptions,
});

/** What bitsandbytes calls double quantization. */
const doubly = (type: FormatType): FormatType => ({
  ...type,
  ...{ name: `${type.name} twice`, ending: `${type.ending}-dq`, options: { ...type.options, doubleQuant: true } },
});

export const FORMATS: Readonly<Record<FormatOutput, FormatTitle>> = {
  onnx: {
    title: 'ONNX',
    hint: 'For transformers.js and ONNX Runtime.',
    isFolder: false,
    types: [
      onnx('q4', '4 bits, the usual choice', 'q4', true),
      onnx('q4f16', '4 bits and half floats, smaller', 'q4f16', true),
      onnx('q8', '8 bits, for processors', 'quantized'),
      onnx('int8', '8 bits, signed', 'int8'),
      onnx('uint8', '8 bits, unsigned', 'uint8'),
      onnx('fp16', 'half floats', 'fp16'),
      onnx('bnb4', '4 bits of bitsandbytes', 'bnb4'),
      onnx('q2', '2 bits, visible loss', 'q2', true),
    ],
  },
  mlx: {
    title: 'MLX',
    hint: 'A folder for mlx-lm, on Apple computers.',
    isFolder: true,
    types: [
      mlxBits(4, 'the usual choice'),
      mlxBits(2, 'smallest, visible loss'),
      mlxBits(3, 'small'),
      mlxBits(5, 'little loss'),
      mlxBits(6, 'almost none'),
      mlxBits(8, 'near lossless'),
      typed('mlx', 'mxfp4', '4-bit floats'),
      typed('mlx', 'nvfp4', '4-bit floats, finer scales'),
      typed('mlx', 'mxfp8', '8-bit floats'),
    ],
  },
  'compressed-tensors': {
    title: 'compressed-tensors',
    hint: 'A folder for vLLM.',
    isFolder: true,
    types: [
      typed('compressed-tensors', 'W4A16', '4 bits, the usual choice'),
      typed('compressed-tensors', 'W4A16_ASYM', '4 bits with zero points'),
      typed('compressed-tensors', 'W8A16', '8 bits, near lossless'),
      typed('compressed-tensors', 'W8A16_ASYM', '8 bits with zero points'),
      typed('compressed-tensors', 'MXFP8A16', '8-bit floats'),
      typed('compressed-tensors', 'NVFP4A16', '4-bit floats, finer scales'),
      typed('compressed-tensors', 'MXFP4A16', '4-bit floats'),
    ],
  },
  bitsandbytes: {
    title: 'bitsandbytes',
    hint: 'A folder for transformers with bitsandbytes.',
    isFolder: true,
    types: [
      typed('bitsandbytes', 'nf4', 'levels for normal weights'),
      doubly(typed('bitsandbytes', 'nf4', 'the scales in 8 bits')),
      typed('bitsandbytes', 'fp4', '4-bit floats'),
      doubly(typed('bitsandbytes', 'fp4', 'the scales in 8 bits')),
    ],
  },
  mlc: {
    title: 'WebLLM',
    hint: 'A folder for MLC-LLM and WebLLM.',
    isFolder: true,
    types: [typed('mlc', 'q4f16_1', '4 bits, half floats'), typed('mlc', 'q4f32_1', '4 bits, full floats')],
  },
};

export const isFormat = (output: OutputName): output is FormatOutput => output !== 'gguf' && output !== 'safetensors';

export const isFolder = (output: OutputName): boolean => isFormat(output) && FORMATS[output].isFolder;

/** What can be made of a model from such a file: a graph stays a graph. */
export function outputsFor(container: string): readonly OutputName[] {
  if (container === 'onnx') return ['onnx'];
  if (container !== 'safetensors') return ['gguf', 'safetensors'];
  return ['gguf', 'safetensors', 'mlx', 'compressed-tensors', 'bitsandbytes', 'mlc'];
}

/** The type of that name, else the usual one. */
export const formatType = (output: FormatOutput, name: string | undefined): FormatType => {
  const { types } = FORMATS[output];
  const [usual] = types;
  if (usual === undefined) throw new RangeError(`${output} has no types`);
  return types.find((one) => one.name === name) ?? usual;
};
