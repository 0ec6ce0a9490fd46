import { f32FromBf16, f32FromF16, f32Of } from './floats.js';

/** Elements of a type as F32. Those that F32 has not go to the nearest, ties to even, and beyond its range to infinity. */
export interface Numbers {
  /** Bytes of an element. */
  readonly bytes: number;
  /** Fills `into` with the elements that `from` begins with. */
  readonly read: (from: Uint8Array, into: Float32Array) => void;
}

/** Numbers of one byte: each value is computed once. */
function byTable(valueOf: (bits: number) => number): Numbers {
  const values = Float32Array.from({ length: 256 }, (_, bits) => valueOf(bits));
  return {
    bytes: 1,
    read: (from, into) => {
      for (let index = 0; index < into.length; ++index) into[index] = values[from[index] ?? 0] ?? 0;
    },
  };
}

function byView(bytes: number, valueAt: (view: DataView, at: number) => number): Numbers {
  return {
    bytes,
    read: ({ buffer, byteOffset, byteLength }, into) => {
      const view = new DataView(buffer, byteOffset, byteLength);
      for (let index = 0; index < into.length; ++index) into[index] = valueAt(view, index * bytes);
    },
  };
}

/** Sign, exponent and fraction, subnormal numbers included, of a float without infinities and NaN. */
function smallFloat(bits: number, exponentBits: number, fractionBits: number): number {
  const bias = 2 ** (exponentBits - 1) - 1;
  const exponent = (bits >> fractionBits) & (2 ** exponentBits - 1);
  const fraction = (bits & (2 ** fractionBits - 1)) / 2 ** fractionBits;
  const magnitude = exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias);
  return bits >> (exponentBits + fractionBits) === 0 ? magnitude : -magnitude;
}

const e4m3 = (bits: number): number => ((bits & 0x7f) === 0x7f ? NaN : smallFloat(bits, 4, 3));

function e5m2(bits: number): number {
  if ((bits & 0x7f) > 0x7c) return NaN;
  if ((bits & 0x7f) === 0x7c) return bits > 0x7f ? -Infinity : Infinity;
  return smallFloat(bits, 5, 2);
}

const LOWEST_BITS = 2n ** 11n;

/** A whole number rounded to F32 once: a double in between must not lose which side of a tie it is on. */
function wholeAt(view: DataView, at: number): number {
  const whole = view.getBigInt64(at, true);
  const direct = Number(whole);
  if (Number.isSafeInteger(direct)) return direct;
  const lowest = whole & (LOWEST_BITS - 1n);
  return Number(lowest === 0n ? whole : (whole - lowest) | LOWEST_BITS);
}

/** By the names that safetensors has for them: the types that llama.cpp's converter reads. */
const NUMBERS: Readonly<Record<string, Numbers>> = {
  F32: byView(4, (view, at) => view.getFloat32(at, true)),
  F16: byView(2, (view, at) => f32Of(f32FromF16(view.getUint16(at, true)))),
  BF16: byView(2, (view, at) => f32Of(f32FromBf16(view.getUint16(at, true)))),
  F64: byView(8, (view, at) => view.getFloat64(at, true)),
  I64: byView(8, wholeAt),
  I32: byView(4, (view, at) => view.getInt32(at, true)),
  I16: byView(2, (view, at) => view.getInt16(at, true)),
  I8: byTable((bits) => (bits << 24) >> 24),
  U8: byTable((bits) => bits),
  BOOL: byTable((bits) => Number(bits !== 0)),
  F8_E4M3: byTable(e4m3),
  F8_E5M2: byTable(e5m2),
  F8_E8M0: byTable((bits) => (bits === 255 ? NaN : 2 ** (bits - 127))),
};

export const numbersOf = (dtype: string): Numbers | undefined =>
  Object.hasOwn(NUMBERS, dtype) ? NUMBERS[dtype] : undefined;
