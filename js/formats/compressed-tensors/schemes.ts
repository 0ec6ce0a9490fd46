import type { Codec } from '../../codecs/codec.js';

/** How compressed-tensors stores weights of one kind. */
export interface Scheme {
  /** As its presets are called: `W4A16_ASYM`. */
  readonly name: string;
  /** Its name of the layout (`format`). */
  readonly format: 'pack-quantized' | 'nvfp4-pack-quantized' | 'mxfp4-pack-quantized' | 'mxfp8-quantized';
  readonly bits: number;
  /** Contiguous weights of a row that share a scale. */
  readonly groupSize: number;
  readonly symmetric: boolean;
}

const integers = (name: string, bits: number, symmetric: boolean): Scheme => ({
  ...{ name, format: 'pack-quantized', bits, groupSize: 128, symmetric },
});

/** Every type that can be written, as the library's presets have it. */
export const SCHEMES: readonly Scheme[] = [
  integers('W4A16', 4, true),
  integers('W4A16_ASYM', 4, false),
  integers('W8A16', 8, true),
  integers('W8A16_ASYM', 8, false),
  integers('W3A16', 3, true),
  { name: 'NVFP4A16', format: 'nvfp4-pack-quantized', bits: 4, groupSize: 16, symmetric: true },
  { name: 'MXFP4A16', format: 'mxfp4-pack-quantized', bits: 4, groupSize: 32, symmetric: true },
  { name: 'MXFP8A16', format: 'mxfp8-quantized', bits: 8, groupSize: 32, symmetric: true },
];

/** Group sizes that integers can have. */
export const GROUP_SIZES: readonly number[] = [32, 64, 128, 256];

const SUFFIXES: Readonly<Record<string, string>> = { F32: 'f32', F16: 'f16', BF16: 'bf16' };

const FLOAT_CODECS = {
  'nvfp4-pack-quantized': 'ct_nvfp4',
  'mxfp4-pack-quantized': 'ct_mxfp4',
  'mxfp8-quantized': 'ct_mxfp8',
} as const;

/** The codec of weights that were of that type: everything is rounded to it, as the library does on CPUs. */
export function codecOf({ format, bits, groupSize, symmetric }: Scheme, dtype: string): Codec {
  const suffix = (Object.hasOwn(SUFFIXES, dtype) ? SUFFIXES[dtype] : undefined) ?? 'f32';
  if (format === 'pack-quantized') return { name: `ct_int_${suffix}`, bits, groupSize, symmetric };
  return { name: `${FLOAT_CODECS[format]}_${suffix}`, bits: 0, groupSize: 0, symmetric: false };
}

/** What config.json says of the weights. */
const weightsOf = ({ format, bits, groupSize, symmetric }: Scheme): Readonly<Record<string, unknown>> => ({
  dynamic: false,
  group_size: groupSize,
  num_bits: bits,
  ...(format === 'nvfp4-pack-quantized' && { scale_dtype: 'torch.float8_e4m3fn' }),
  ...(format.startsWith('mx') && { scale_dtype: 'torch.uint8' }),
  strategy: format === 'nvfp4-pack-quantized' ? 'tensor_group' : 'group',
  symmetric,
  type: format === 'pack-quantized' ? 'int' : 'float',
});

/** The library's version whose config.json this is. */
const VERSION = '0.20.0';

/** What config.json gets as `quantization_config`; `ignored` are the linear modules that are not quantized. */
export const configOf = (scheme: Scheme, ignored: readonly string[]): Readonly<Record<string, unknown>> => ({
  config_groups: {
    group_0: {
      format: scheme.format,
      input_activations: null,
      output_activations: null,
      targets: ['Linear'],
      weights: weightsOf(scheme),
    },
  },
  format: scheme.format,
  global_compression_ratio: null,
  ignore: ignored,
  kv_cache_scheme: null,
  moe_sparsity_config: null,
  quant_method: 'compressed-tensors',
  quantization_status: 'compressed',
  sparsity_config: {},
  transform_config: {},
  version: VERSION,
});
