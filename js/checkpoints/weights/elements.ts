import { codecNamed } from '../../codecs/codec.js';
import { fileBytes } from '../../layouts/tensor.js';
import { bf16FromF32, f16FromF32, f32FromBf16, f32FromF16, plusOneF32 } from './floats.js';
import { MadeSource, bytesAt } from './made-source.js';
import { elementBytes, isFloatType, planeOf, type FloatType, type Weight } from './weight.js';

/** The bits of a number for those of another. */
type Change = (pattern: number) => number;

const toF32: Readonly<Record<FloatType, Change | null>> = { F32: null, F16: f32FromF16, BF16: f32FromBf16 };
const fromF32: Readonly<Record<FloatType, Change | null>> = { F32: null, F16: f16FromF32, BF16: bf16FromF32 };

/**
 * The same numbers in another type. What is widened is exact; what is narrowed goes to the nearest, ties to even, or to infinity
 * from 65520 on in F16 (the last half step below 2^128 in BF16). From F16 to BF16 or back it is an F32 in between. NaN stays NaN,
 * zeros keep their sign.
 */
export function cast(weight: Weight, dtype: FloatType): Weight {
  const from = dtypeOf(weight);
  if (from === dtype) return weight;
  const widened = toF32[from];
  const narrowed = fromF32[dtype];
  if (widened === null) return changed(weight, dtype, narrowed ?? ((pattern) => pattern));
  return changed(weight, dtype, narrowed === null ? widened : (pattern) => narrowed(widened(pattern)));
}

/**
 * Each number and 1, rounded to the nearest: F16 in F16, all others in F32, which BF16 becomes. NaN stays NaN.
 */
export function plusOne(weight: Weight): Weight {
  const dtype = dtypeOf(weight);
  if (dtype === 'F16') return changed(weight, 'F16', (pattern) => f16FromF32(plusOneF32(f32FromF16(pattern))));
  if (dtype === 'F32') return changed(weight, 'F32', plusOneF32);
  return changed(weight, 'F32', (pattern) => plusOneF32(f32FromBf16(pattern)));
}

function dtypeOf({ name, codec }: Weight): FloatType {
  if (isFloatType(codec.name)) return codec.name;
  throw new RangeError(`${name} is ${codec.name}`);
}

function changed(weight: Weight, dtype: FloatType, change: Change): Weight {
  const plane = planeOf(weight);
  const codec = codecNamed(dtype);
  const before = elementBytes(weight);
  const after = elementBytes({ codec });
  const source = new MadeSource(plane, weight.elements * after, async (position, bytes) => {
    const count = bytes / after;
    const from = await bytesAt(plane, (position / after) * before, count * before);
    const into = new Uint8Array(bytes);
    changeEach(patternsIn(from, before), patternsIn(into, after), change);
    return into;
  });
  const planes = [[{ source, begin: 0, bytes: source.size }]];
  return { ...weight, dtype, codec, planes, fileBytes: fileBytes(weight) };
}

const patternsIn = ({ buffer, byteOffset, length }: Uint8Array, width: number): Uint16Array | Uint32Array =>
  width === 2 ? new Uint16Array(buffer, byteOffset, length / 2) : new Uint32Array(buffer, byteOffset, length / 4);

function changeEach(from: Uint16Array | Uint32Array, into: Uint16Array | Uint32Array, change: Change): void {
  for (let index = 0; index < into.length; ++index) into[index] = change(from[index] ?? 0);
}
