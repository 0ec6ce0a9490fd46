/** What the option `format` can be, and what is written of it: known without loading any of the formats. */

/** Formats that are a folder: weights in one file or shards, config.json, and what lies beside them. */
export const FOLDER_FORMATS = ['mlx', 'compressed-tensors', 'bitsandbytes', 'mlc'] as const;

export type FolderFormatName = (typeof FOLDER_FORMATS)[number];

/** Formats that are one file, or two, with a graph in it. */
export const FILE_FORMATS = ['onnx'] as const;

/** What an ONNX model can become, as transformers.js calls it; `nbits` has `bits` besides, `bnb4` is `nf4`. */
export const ONNX_TYPES = [
  ...(['q4', 'q4f16', 'q2', 'q2f16', 'nbits', 'bnb4', 'nf4', 'fp4', 'q8', 'int8', 'uint8', 'fp16'] as const),
] as const;

export type OnnxType = (typeof ONNX_TYPES)[number];

export const isOnnxType = (name: string): name is OnnxType => (ONNX_TYPES as readonly string[]).includes(name);

/** How ONNX models say that weights are blocks of whole numbers: MatMulNBits, or DequantizeLinear. */
export const ONNX_FORMS = ['operator', 'qdq'] as const;

export type OnnxForm = (typeof ONNX_FORMS)[number];

/** Versions of ONNX Runtime whose quantizers give other files. */
export const ONNX_RUNTIMES = ['1.32', '1.23', '1.20'] as const;

export type OnnxRuntime = (typeof ONNX_RUNTIMES)[number];

/** Types that only formats have, besides names of codecs. */
const OWN_TYPES = {
  mlx: ['mxfp4', 'mxfp8', 'nvfp4'],
  'compressed-tensors': [
    ...(['W3A16', 'W4A16', 'W4A16_ASYM', 'W8A16', 'W8A16_ASYM', 'NVFP4A16', 'MXFP4A16', 'MXFP8A16'] as const),
  ],
  bitsandbytes: ['nf4', 'fp4'],
  mlc: ['q4f16_1', 'q4f32_1'],
  onnx: ONNX_TYPES,
} as const satisfies Readonly<Record<FormatName, readonly string[]>>;

export type FormatType = (typeof OWN_TYPES)[FormatName][number];

/** The formats that have a type of that name, in any case, as what nothing else has. */
export const formatsOf = (type: string): readonly string[] =>
  Object.entries(OWN_TYPES).flatMap(([format, types]: readonly [string, readonly string[]]) =>
    types.some((own) => own.toLowerCase() === type.toLowerCase()) ? [format] : [],
  );

/** Mixtures of precisions that mlx-lm has. */
export const MIXTURE_NAMES = ['mixed_2_6', 'mixed_3_4', 'mixed_3_6', 'mixed_4_6'] as const;

export type MixtureName = (typeof MIXTURE_NAMES)[number];

/** Formats with rules of their own; others are a container, and what the options say. */
export type FormatName = FolderFormatName | (typeof FILE_FORMATS)[number];

export const isFolderFormat = (name: string): name is FolderFormatName =>
  (FOLDER_FORMATS as readonly string[]).includes(name);

/** What the weights become where nothing is asked for. */
export const usualTypeOf = (name: FolderFormatName): string => USUAL_TYPES[name];

const USUAL_TYPES: Readonly<Record<FolderFormatName, string>> = {
  mlx: 'int4',
  'compressed-tensors': 'W4A16',
  bitsandbytes: 'nf4',
  mlc: 'q4f16_1',
};
