import { QuantizeError } from '../errors.js';
import type { Encoding, LeasedWindow } from '../wasm/windows.js';
import { groupCount, packedBytes, storedBytes, type TensorStorage } from '../containers/container.js';
import type { TensorJob } from './convert.js';
import { dtypeBytes, isFloatType, type DType, type FloatType } from '../containers/dtypes.js';
import { invalidFile, quoted } from '../containers/invalid-file.js';
import type { PieceInput } from './pipeline.js';
import { inputOf } from './stretch-input.js';
import { bytesOf, forEachStretch, type Stretch } from './tensor-windows.js';

/** The largest finite values. */
const LARGEST: Readonly<Record<FloatType, number>> = {
  F32: (2 - 2 ** -23) * 2 ** 127,
  F16: 65504,
  BF16: (2 - 2 ** -7) * 2 ** 127,
};

/** All of these bits are set in infinities and NaN. */
const EXPONENT = { F16: 0x7c00, BF16: 0x7f80 } as const;

export type AffineStorage = Extract<TensorStorage, { kind: 'affine' }>;

/** Restores a quantized tensor as floats of the target's type. */
export function dequantizeTensor(
  job: TensorJob,
  storage: AffineStorage,
  target: { readonly dtype: DType },
): Promise<void> {
  const { dtype } = target;
  const { stored, sink, place } = job;
  if (!isFloatType(dtype)) {
    throw new QuantizeError('unsupported_dtype', {
      file: storage.packed.source.name,
      layer: stored.name,
      detail: dtype,
    });
  }
  return forEachStretch(job, {
    inputOf: (stretch) => inputOfAffine(storage, stretch),
    outputOf: ({ first, weights }) => ({
      position: place.data + first * dtypeBytes(dtype),
      bytes: weights * dtypeBytes(dtype),
    }),
    work: async (window, stretch) => {
      const { floats, reach } = await decodeStretch(window, storage, stretch, dtype, stored.name);
      if (reach > LARGEST[dtype]) checkRestored(floats, stretch, storage, dtype, stored.name);
      await window.transfer(() => [sink.write(floats, place.data + stretch.first * dtypeBytes(dtype))]);
      return null;
    },
    bytesPerWeight: storedBytes(storage) / stored.elements,
  });
}

const encodingOf = ({ bits, groupSize, symmetric }: AffineStorage): Encoding => ({
  kind: 'affine',
  bits,
  groupSize,
  symmetric,
});

/** The bytes of a stretch of a quantized tensor, on their way into a window. */
export function inputOfAffine(storage: AffineStorage, { first, weights }: Stretch): PieceInput {
  const { bits, groupSize, packed, scales, zeroPoints } = storage;
  const group = groupSize === 0 ? 0 : first / groupSize;
  const groups = groupCount(weights, groupSize);
  const ranges = [
    { source: packed.source, position: packed.begin + packedBytes(first, bits), bytes: packedBytes(weights, bits) },
    { source: scales.source, position: scales.begin + group * 4, bytes: groups * 4 },
    { source: zeroPoints.source, position: zeroPoints.begin + group, bytes: groups },
  ];
  return inputOf(ranges, (window) => {
    const room = window.encodedInput(weights, encodingOf(storage));
    return [room.packed, bytesOf(room.scales), room.zeroPoints];
  });
}

export interface DecodedStretch {
  /** The restored weights; they lie in the window. */
  readonly floats: Uint8Array;
  /** Before it is rounded to its type, no restored weight is larger than this. */
  readonly reach: number;
}

/** Restores a stretch of a quantized tensor that has been put into the window. */
export async function decodeStretch(
  window: LeasedWindow,
  storage: AffineStorage,
  { weights }: Stretch,
  type: FloatType,
  name: string,
): Promise<DecodedStretch> {
  const encoding = encodingOf(storage);
  const room = window.encodedInput(weights, encoding);
  checkParameters(room, storage, name);
  const reach = largest(room.scales) * (2 ** storage.bits - 1);
  return { floats: await window.decode(weights, encoding, type), reach };
}

const largest = (scales: Float32Array): number => scales.reduce((most, scale) => Math.max(most, Math.abs(scale)), 0);

function checkParameters(
  { scales, zeroPoints }: { readonly scales: Float32Array; readonly zeroPoints: Uint8Array },
  { bits, packed }: AffineStorage,
  name: string,
): void {
  const valid =
    scales.every((scale) => Number.isFinite(scale)) && zeroPoints.every((zeroPoint) => zeroPoint < 2 ** bits);
  if (!valid)
    throw invalidFile(packed.source, `tensor ${quoted(name)} has an impossible scale or zero point`, { layer: name });
}

/**
 * Refuses what has become infinite: a restored weight may lie half a step outside of the original range, and so beyond what
 * `dtype` can hold.
 */
function checkRestored(
  bytes: Uint8Array,
  { first, weights }: Stretch,
  { packed }: AffineStorage,
  dtype: FloatType,
  name: string,
): void {
  const at = firstInfinity(bytes, weights, dtype);
  if (at < 0) return;
  const detail = `what is restored is too large for ${dtype}${dtype === 'F32' ? '' : '; restore it as F32'}`;
  throw new QuantizeError('not_finite', { file: packed.source.name, layer: name, index: first + at, detail });
}

/** Index of the first value that is not finite, or -1. */
function firstInfinity({ buffer, byteOffset }: Uint8Array, weights: number, dtype: FloatType): number {
  if (dtype === 'F32')
    return new Float32Array(buffer, byteOffset, weights).findIndex((value) => !Number.isFinite(value));
  const exponent = EXPONENT[dtype];
  return new Uint16Array(buffer, byteOffset, weights).findIndex((bits) => (bits & exponent) === exponent);
}
