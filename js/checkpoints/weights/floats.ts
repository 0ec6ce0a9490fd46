/** Floats as the bits that files hold: F16 and BF16 in 16 of them. */

const scratch = new Float32Array(1);
const bits = new Uint32Array(scratch.buffer);

const F32_INFINITY = 0x7f800000;
/** Magnitudes from here on are infinite in F16: 65520, halfway between the largest value and what would come next. */
const F16_OVERFLOW = 0x477ff000;
/** The least normal number of F16, 2^-14. */
const F16_NORMAL = 0x38800000;
/** Added to a magnitude below it, this leaves units of 2^-24, the step of F16 there, in the lowest bits, rounded. */
const SUBNORMAL_MAGIC = 0.5;
const SUBNORMAL_MAGIC_BITS = 0x3f000000;

/** The number whose bits these are. */
export const f32Of = (pattern: number): number => {
  bits[0] = pattern;
  return scratch[0] ?? 0;
};

/**
 * The bits of an F16 for those of an F32: nearest, ties to even; from 65520 on infinity. NaN keeps its sign and its upper bits, and
 * the lowest is set where that would be infinity, as numpy has it.
 */
export function f16FromF32(pattern: number): number {
  const sign = (pattern >>> 16) & 0x8000;
  const magnitude = pattern & 0x7fffffff;
  if (magnitude >= F16_OVERFLOW) {
    if (magnitude <= F32_INFINITY) return sign | 0x7c00;
    const payload = (magnitude & 0x007fffff) >>> 13;
    return sign | 0x7c00 | (payload === 0 ? 1 : payload);
  }
  if (magnitude < F16_NORMAL) {
    scratch[0] = f32Of(magnitude) + SUBNORMAL_MAGIC;
    return sign | ((bits[0] ?? 0) - SUBNORMAL_MAGIC_BITS);
  }
  const even = (magnitude >>> 13) & 1;
  return sign | ((magnitude - 0x38000000 + 0xfff + even) >>> 13);
}

/** The bits of an F32 for those of an F16. NaN keeps its bits. */
export function f32FromF16(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = half & 0x7c00;
  const rest = half & 0x03ff;
  if (exponent === 0x7c00) return (sign | F32_INFINITY | (rest << 13)) >>> 0;
  if (exponent !== 0) return (sign | (((half & 0x7fff) << 13) + 0x38000000)) >>> 0;
  scratch[0] = rest * 2 ** -24;
  return (sign | (bits[0] ?? 0)) >>> 0;
}

/** The bits of a BF16 for those of an F32: nearest, ties to even. NaN keeps its upper bits and becomes quiet. */
export function bf16FromF32(pattern: number): number {
  if ((pattern & 0x7fffffff) > F32_INFINITY) return (pattern >>> 16) | 0x40;
  return (pattern + 0x7fff + ((pattern >>> 16) & 1)) >>> 16;
}

/** The bits of an F32 for those of a BF16. */
export const f32FromBf16 = (half: number): number => (half << 16) >>> 0;

/** The bits of an F32 and one more, rounded; NaN keeps its bits and becomes quiet. */
export function plusOneF32(pattern: number): number {
  if ((pattern & 0x7fffffff) > F32_INFINITY) return (pattern | 0x00400000) >>> 0;
  scratch[0] = f32Of(pattern) + 1;
  return bits[0] ?? 0;
}
