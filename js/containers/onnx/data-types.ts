/** Element types, as TensorProto.DataType numbers them. */
export const DataType = {
  undefined: 0,
  float: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  double: 11,
  uint32: 12,
  uint64: 13,
  complex64: 14,
  complex128: 15,
  bfloat16: 16,
  float8e4m3fn: 17,
  float8e4m3fnuz: 18,
  float8e5m2: 19,
  float8e5m2fnuz: 20,
  uint4: 21,
  int4: 22,
  float4e2m1: 23,
  float8e8m0: 24,
  uint2: 25,
  int2: 26,
} as const;

/** One of `DataType`, or a number that newer versions of ONNX have given. */
export type DataType = number;

interface TypeTraits {
  /** As other containers call it, where they have it. */
  readonly name: string;
  readonly bits: number;
}

const TRAITS: Readonly<Record<number, TypeTraits>> = {
  [DataType.float]: { name: 'F32', bits: 32 },
  [DataType.uint8]: { name: 'U8', bits: 8 },
  [DataType.int8]: { name: 'I8', bits: 8 },
  [DataType.uint16]: { name: 'U16', bits: 16 },
  [DataType.int16]: { name: 'I16', bits: 16 },
  [DataType.int32]: { name: 'I32', bits: 32 },
  [DataType.int64]: { name: 'I64', bits: 64 },
  [DataType.bool]: { name: 'BOOL', bits: 8 },
  [DataType.float16]: { name: 'F16', bits: 16 },
  [DataType.double]: { name: 'F64', bits: 64 },
  [DataType.uint32]: { name: 'U32', bits: 32 },
  [DataType.uint64]: { name: 'U64', bits: 64 },
  [DataType.complex64]: { name: 'C64', bits: 64 },
  [DataType.complex128]: { name: 'C128', bits: 128 },
  [DataType.bfloat16]: { name: 'BF16', bits: 16 },
  [DataType.float8e4m3fn]: { name: 'F8_E4M3', bits: 8 },
  [DataType.float8e4m3fnuz]: { name: 'F8_E4M3FNUZ', bits: 8 },
  [DataType.float8e5m2]: { name: 'F8_E5M2', bits: 8 },
  [DataType.float8e5m2fnuz]: { name: 'F8_E5M2FNUZ', bits: 8 },
  [DataType.uint4]: { name: 'U4', bits: 4 },
  [DataType.int4]: { name: 'I4', bits: 4 },
  [DataType.float4e2m1]: { name: 'F4', bits: 4 },
  [DataType.float8e8m0]: { name: 'F8_E8M0', bits: 8 },
  [DataType.uint2]: { name: 'U2', bits: 2 },
  [DataType.int2]: { name: 'I2', bits: 2 },
};

/** Bits of an element; undefined for strings and for types that are not known. */
export const elementBits = (type: DataType): number | undefined => TRAITS[type]?.bits;

/** What reports call it. */
export const dataTypeName = (type: DataType): string =>
  type === DataType.string ? 'STRING' : (TRAITS[type]?.name ?? `ONNX type ${type}`);

/** Bytes of `elements` elements in raw_data, the last one of them may be shared; undefined as in `elementBits`. */
export function rawBytes(type: DataType, elements: number): number | undefined {
  const bits = elementBits(type);
  return bits === undefined ? undefined : Math.ceil((elements * bits) / 8);
}
