import { quoted } from '../../containers/invalid-file.js';
import type { Tensor } from '../../layouts/tensor.js';
import { damaged, type Layer } from './layer.js';

/** How the numbers of a scale tensor are stored. */
export interface Numbers {
  readonly bytes: number;
  /** The number at a position. Infinities may come out as NaN. */
  readonly at: (view: DataView, position: number) => number;
}

/** The value of a BF16: the upper half of an F32. */
function bfloat16(bits: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint16(0, bits);
  return view.getFloat32(0);
}

/** Sign, exponent and fraction, subnormals included; what is NaN or infinite is for the caller to know. */
function smallFloat(bits: number, exponentBits: number, fractionBits: number): number {
  const bias = 2 ** (exponentBits - 1) - 1;
  const sign = (bits >> (exponentBits + fractionBits)) & 1 ? -1 : 1;
  const exponent = (bits >> fractionBits) & (2 ** exponentBits - 1);
  const fraction = (bits & (2 ** fractionBits - 1)) / 2 ** fractionBits;
  return sign * (exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias));
}

const float16 = (bits: number): number => ((bits & 0x7c00) === 0x7c00 ? NaN : smallFloat(bits, 5, 10));

/** Numbers of one byte: there are millions of them, so that each value is computed once. */
function bytesOfValue(valueOf: (bits: number) => number): Numbers {
  const values = Float32Array.from({ length: 256 }, (_, bits) => valueOf(bits));
  return { bytes: 1, at: (view, position) => values[view.getUint8(position)] ?? NaN };
}

/** E4M3 without infinities: the largest number is 448. */
export const E4M3 = bytesOfValue((bits) => ((bits & 0x7f) === 0x7f ? NaN : smallFloat(bits, 4, 3)));

/** Powers of two, the exponent with bias 127; 255 is NaN. */
export const E8M0 = bytesOfValue((bits) => (bits === 255 ? NaN : 2 ** (bits - 127)));

const FLOATS: Readonly<Record<string, Numbers>> = {
  F32: { bytes: 4, at: (view, position) => view.getFloat32(position, true) },
  F16: { bytes: 2, at: (view, position) => float16(view.getUint16(position, true)) },
  BF16: { bytes: 2, at: (view, position) => bfloat16(view.getUint16(position, true)) },
};

/** Numbers of F32, F16 or BF16. Throws `invalid_file` for a scale of another type. */
export function floatsOf(layer: Layer, { name, dtype }: Tensor): Numbers {
  const numbers = Object.hasOwn(FLOATS, dtype) ? FLOATS[dtype] : undefined;
  if (numbers === undefined) throw damaged(layer, `has a scale (${quoted(name)}) that is no float, but ${dtype}`);
  return numbers;
}

/** The only number of a tensor, which must be finite. Throws `invalid_file`. */
export function numberOf(layer: Layer, { name }: Tensor, { at }: Numbers, bytes: Uint8Array | undefined): number {
  const view = new DataView(bytes?.buffer ?? new ArrayBuffer(0), bytes?.byteOffset, bytes?.byteLength);
  const value = at(view, 0);
  if (Number.isFinite(value)) return value;
  throw damaged(layer, `has a scale (${quoted(name)}) that is not finite`);
}
