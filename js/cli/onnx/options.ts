/** The options of `quantize` that only ONNX models have. */

import { InvalidArgumentError, Option } from 'commander';
import { ONNX_FORMS, ONNX_RUNTIMES, ONNX_TYPES, isOnnxType, type OnnxType } from '../../formats/names.js';
import type { QuantizeFileOptions } from '../../index.js';

/** What the options of ONNX models are, as commander gives them. */
export interface OnnxOptions {
  readonly types?: readonly OnnxType[];
  readonly outDir?: string;
  readonly asymmetric?: boolean;
  readonly accuracyLevel?: string;
  readonly embeddings?: boolean;
  readonly onnxForm?: (typeof ONNX_FORMS)[number];
  readonly onnxRuntime?: (typeof ONNX_RUNTIMES)[number];
  readonly externalData?: boolean;
}

/** Options that only ONNX models have, as the help lists them. */
export const onnxOptions = (): Option[] => [
  new Option('--types <list>', `ONNX: several types, each in a file of its own, such as q4,q4f16,q8`).argParser(
    parseTypes,
  ),
  new Option('--out-dir <dir>', 'ONNX: the folder for those files; made if it is missing (default: beside <in>)'),
  new Option('--asymmetric', 'ONNX: a zero point for each block; the same for compressed-tensors').conflicts(
    'symmetric',
  ),
  new Option(
    '--accuracy-level <n>',
    'ONNX: arithmetic that a MatMul of blocks may use, from 1 (f32) to 4 (int8)',
  ).choices(['0', '1', '2', '3', '4']),
  new Option('--embeddings', 'ONNX, q4: quantize embeddings, too; needs opset 21'),
  new Option('--onnx-form <form>', 'ONNX, q4: MatMulNBits, or DequantizeLinear before a MatMul').choices(ONNX_FORMS),
  new Option('--onnx-runtime <version>', 'ONNX: whose quantizers to write the same files as').choices(ONNX_RUNTIMES),
  new Option('--external-data', 'ONNX: weights in a file of their own (default: when the model would have 2 GiB)'),
];

function parseTypes(text: string): readonly OnnxType[] {
  const names = text.split(',').map((name) => name.trim().toLowerCase());
  const types = names.filter(isOnnxType);
  const odd = names.find((name) => !isOnnxType(name));
  if (odd === undefined) return [...new Set(types)];
  throw new InvalidArgumentError(
    `${JSON.stringify(odd)} is no type of ONNX models; there are ${ONNX_TYPES.join(', ')}.`,
  );
}

/** What the library is told of them, whatever is written: it refuses what has no meaning there. */
export const onnxQuantization = (options: OnnxOptions): QuantizeFileOptions => ({
  ...{ embeddings: options.embeddings, onnxForm: options.onnxForm },
  ...{ onnxRuntime: options.onnxRuntime, externalData: options.externalData },
  accuracyLevel: options.accuracyLevel === undefined ? undefined : Number(options.accuracyLevel),
  ...(options.asymmetric === true && { symmetric: false }),
});
