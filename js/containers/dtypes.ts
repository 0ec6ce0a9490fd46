/** Element types of tensors in files, with the bytes that an element takes. */
const BYTES = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
} as const;

/** Element types of safetensors that can only be copied, with the bits that an element takes. */
const OPAQUE_BITS: Readonly<Record<string, number>> = {
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  C64: 64,
};

export type DType = keyof typeof BYTES;

/** Every element type of safetensors that is known. */
export const DTYPES: readonly string[] = [...Object.keys(BYTES), ...Object.keys(OPAQUE_BITS)];

/** Element types that the kernels read and write. */
export type FloatType = 'F32' | 'F16' | 'BF16';

/** Element types that the kernels read. */
export type WeightType = FloatType | 'F8_E4M3' | 'F8_E5M2';

export const dtypeBytes = (dtype: DType): number => BYTES[dtype];

export const isDType = (name: unknown): name is DType => typeof name === 'string' && Object.hasOwn(BYTES, name);

/** Bytes of `elements` elements of a type, which need not be whole; undefined where the type is not known. */
export function knownBytes(dtype: string, elements: number): number | undefined {
  if (isDType(dtype)) return elements * BYTES[dtype];
  return Object.hasOwn(OPAQUE_BITS, dtype) ? (elements * (OPAQUE_BITS[dtype] ?? 0)) / 8 : undefined;
}

/** Whether the kernels read this type. */
export const isWeightType = (dtype: DType): dtype is WeightType => isFloatType(dtype) || dtype.startsWith('F8_');

/** Whether the kernels read and write this type. */
export const isFloatType = (dtype: DType): dtype is FloatType => dtype === 'F32' || dtype === 'F16' || dtype === 'BF16';

/** Number of elements of a shape (1 for rank 0), or NaN when it is no shape or has more elements than 2^53 - 1. */
export function elementCount(shape: readonly unknown[]): number {
  let count = 1;
  let empty = false;
  let tooMany = false;
  for (const extent of shape) {
    if (typeof extent !== 'number' || !Number.isSafeInteger(extent) || extent < 0) return Number.NaN;
    if (extent === 0) empty = true;
    else count *= extent;
    if (!Number.isSafeInteger(count)) tooMany = true;
  }
  if (empty) return 0;
  return tooMany ? Number.NaN : count;
}
