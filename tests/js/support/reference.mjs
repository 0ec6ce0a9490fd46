/**
 * The affine formula, written from its description and sharing nothing with the package: one weight after the other, in
 * doubles that are rounded to f32 wherever the formula says f32. (A product or quotient of two f32, computed in f64 and
 * then rounded, is the correctly rounded f32 one.)
 */

const SMALLEST_NORMAL = 2 ** -126;
// Taken once: under Jest, whose realm is not Node's own, looking up a global costs more than the arithmetic.
const { abs, ceil, floor, fround: f32, max, min } = Math;

const clamp = (value, most) => min(max(value, 0), most);

/** Rounds half to even. */
function roundHalfEven(value) {
  const below = floor(value);
  const rest = value - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}

function asymmetricScale(group, qmax) {
  const lo = group.reduce((a, b) => min(a, b), 0);
  const hi = group.reduce((a, b) => max(a, b), 0);
  const scale = f32((hi - lo) / qmax);
  if (scale < SMALLEST_NORMAL) return { scale: 1, zeroPoint: 0, flat: true };
  return { scale, zeroPoint: clamp(roundHalfEven(f32(-lo * f32(1 / scale))), qmax), flat: false };
}

function symmetricScale(group, half) {
  const extreme = group.reduce((a, b) => (abs(b) > abs(a) ? b : a), 0);
  const scale = f32(-extreme / half);
  if (abs(scale) < SMALLEST_NORMAL) return { scale: 1, zeroPoint: half, flat: true };
  return { scale, zeroPoint: half, flat: false };
}

/** Levels, scales and zero points of `weights`; `groupSize` may be 'tensor'. */
export function quantizeReference(weights, bits, groupSize, symmetric) {
  const qmax = 2 ** bits - 1;
  const size = groupSize === 'tensor' ? max(weights.length, 1) : groupSize;
  const quantizedData = new Uint8Array(ceil((weights.length * bits) / 8));
  const scales = [];
  const zeroPoints = [];
  for (let begin = 0; begin < weights.length; begin += size) {
    const group = weights.subarray(begin, begin + size);
    const { scale, zeroPoint, flat } = symmetric
      ? symmetricScale(group, 2 ** (bits - 1))
      : asymmetricScale(group, qmax);
    scales.push(scale);
    zeroPoints.push(zeroPoint);
    const inverse = f32(1 / scale);
    for (let i = 0; i < group.length; ++i) {
      const q = flat ? zeroPoint : clamp(roundHalfEven(f32(group[i] * inverse)) + zeroPoint, qmax);
      const bit = (begin + i) * bits;
      quantizedData[bit >> 3] |= q << (bit & 7);
    }
  }
  return { quantizedData, scales: Float32Array.from(scales), zeroPoints: Uint8Array.from(zeroPoints) };
}

export function dequantizeReference({ quantizedData, scales, zeroPoints, bitWidth, groupSize }, count) {
  const restored = new Float32Array(count);
  for (let i = 0; i < count; ++i) {
    const group = groupSize === 'tensor' ? 0 : floor(i / groupSize);
    const bit = i * bitWidth;
    const q = (quantizedData[bit >> 3] >> (bit & 7)) & (2 ** bitWidth - 1);
    restored[i] = (q - zeroPoints[group]) * scales[group];
  }
  return restored;
}
