import { encodeUtf8 } from '../../containers/utf8.js';

/** What the library has to know of a tensor to decode it. */
export interface QuantState {
  readonly type: string;
  readonly blockSize: number;
  /** As safetensors calls it. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Present where the scales are quantized themselves. */
  readonly nested?: { readonly blockSize: number; readonly offset: number } | undefined;
}

const DTYPES: Readonly<Record<string, string>> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' };

/** What torch calls a type. */
export const torchDtype = (dtype: string): string => DTYPES[dtype] ?? 'float32';

/** The text of a state, as Python's `json.dumps` has it. */
export function quantStateBytes({ type, blockSize, dtype, shape, nested }: QuantState): Uint8Array {
  const members = [
    `"quant_type": "${type}"`,
    `"blocksize": ${blockSize}`,
    `"dtype": "${torchDtype(dtype)}"`,
    `"shape": [${shape.join(', ')}]`,
    ...(nested === undefined
      ? []
      : [
          `"nested_blocksize": ${nested.blockSize}`,
          '"nested_dtype": "float32"',
          `"nested_offset": ${pythonFloat(nested.offset)}`,
        ]),
  ];
  return encodeUtf8(`{${members.join(', ')}}`);
}

/** A float as Python's `repr` has it: the shortest digits that mean it, from 1e16 on and below 1e-4 with an exponent. */
export function pythonFloat(value: number): string {
  const [digits = '', exponent = '0'] = value.toExponential().split('e');
  const power = Number(exponent);
  // JavaScript has no exponent there either.
  if (power >= -4 && power < 16) return Number.isInteger(value) ? `${value}.0` : String(value);
  return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}
