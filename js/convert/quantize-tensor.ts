import type { ErrorSums, LeasedWindow, WeightRange } from '../wasm/windows.js';
import { packedBytes, type AffineLayout } from '../containers/container.js';
import type { TensorJob } from './convert.js';
import { bytesOf, forEachStretch, located, stretchesOf, type Stretch, type StretchWork } from './tensor-windows.js';
import { inputOfStretch, readableTensor, type ReadableTensor } from './weight-source.js';

/** The job's tensor, as the kernels read it. */
interface JobTensor extends ReadableTensor {
  readonly job: TensorJob;
}

/** Encodes a tensor of floats, in groups or with one scale for all of it. */
export async function quantizeTensor(job: TensorJob, target: AffineLayout): Promise<void> {
  const tensor = { ...readableTensor(job.stored), job };
  if (target.groupSize !== 0) await encodeGroups(tensor, target);
  else if (stretchesOf(job.stored.elements).length === 1) await encodeWhole(tensor, target);
  else await encodeScaled(tensor, target, await scanTensor(tensor));
}

function encodeGroups(tensor: JobTensor, layout: AffineLayout): Promise<void> {
  const { job, source } = tensor;
  const { bits, groupSize, symmetric } = layout;
  const { sink, place, measure } = job;
  const encode = async (window: LeasedWindow, stretch: Stretch): Promise<ErrorSums | null> => {
    const encoding = { kind: 'affine', bits, groupSize, symmetric } as const;
    const { packed, scales, zeroPoints, error } = await window.encode(stretch.weights, source, encoding, measure);
    const group = stretch.first / groupSize;
    await window.transfer(() => [
      sink.write(packed, place.data + packedBytes(stretch.first, bits)),
      sink.write(bytesOf(scales), place.scales + group * 4),
      sink.write(zeroPoints, place.zeroPoints + group),
    ]);
    return error;
  };
  return forEachStretch(job, stretchWork(tensor, layout, encode));
}

const stretchWork = (tensor: JobTensor, { bits }: AffineLayout, work: StretchWork['work']): StretchWork => ({
  inputOf: (stretch) => inputOfStretch(tensor, stretch),
  outputOf: ({ first, weights }) => ({
    position: tensor.job.place.data + packedBytes(first, bits),
    bytes: packedBytes(weights, bits),
  }),
  work,
  bytesPerWeight: tensor.bytesPerWeight,
});

/** A tensor that fits into one window is read once for both passes. */
function encodeWhole(tensor: JobTensor, layout: AffineLayout): Promise<void> {
  const encode = async (window: LeasedWindow, stretch: Stretch): Promise<ErrorSums | null> => {
    const range = await window.scan(stretch.weights, tensor.source);
    const scale = await writeScale(tensor, layout, range);
    return encodeStretch(tensor, window, stretch, layout.bits, scale);
  };
  return forEachStretch(tensor.job, stretchWork(tensor, layout, encode));
}

/** First pass over a tensor that has one scale. */
async function scanTensor(tensor: JobTensor): Promise<WeightRange> {
  const { job, source } = tensor;
  const ranges: WeightRange[] = [];
  for (const stretch of stretchesOf(job.stored.elements)) {
    await job.pipeline.start({
      input: inputOfStretch(tensor, stretch),
      work: async (window) => {
        const scan = (): Promise<WeightRange> => window.scan(stretch.weights, source);
        ranges[stretch.index] = await located(job.stored, stretch.first, scan);
      },
    });
  }
  await job.pipeline.drain();
  return ranges.reduce(mergeRanges);
}

/** The extent of two consecutive stretches: of equal magnitudes, the first counts. */
const mergeRanges = (first: WeightRange, later: WeightRange): WeightRange => ({
  lo: Math.min(first.lo, later.lo),
  hi: Math.max(first.hi, later.hi),
  extreme: Math.abs(later.extreme) > Math.abs(first.extreme) ? later.extreme : first.extreme,
});

/** Second pass. */
async function encodeScaled(tensor: JobTensor, layout: AffineLayout, range: WeightRange): Promise<void> {
  const scale = await writeScale(tensor, layout, range);
  const encode = (window: LeasedWindow, stretch: Stretch): Promise<ErrorSums | null> =>
    encodeStretch(tensor, window, stretch, layout.bits, scale);
  await forEachStretch(tensor.job, stretchWork(tensor, layout, encode));
}

interface Scale {
  readonly scale: number;
  readonly zeroPoint: number;
}

async function writeScale({ job }: JobTensor, { bits, symmetric }: AffineLayout, range: WeightRange): Promise<Scale> {
  const { sink, place, pool } = job;
  const found = pool.affineScale(range, bits, symmetric);
  await sink.write(bytesOf(Float32Array.of(found.scale)), place.scales);
  await sink.write(Uint8Array.of(found.zeroPoint), place.zeroPoints);
  return found;
}

async function encodeStretch(
  { job, source }: JobTensor,
  window: LeasedWindow,
  { first, weights }: Stretch,
  bits: number,
  { scale, zeroPoint }: Scale,
): Promise<ErrorSums | null> {
  const encoding = { kind: 'affine-scaled', bits, scale, zeroPoint } as const;
  const { packed, error } = await window.encode(weights, source, encoding, job.measure);
  await window.transfer(() => [job.sink.write(packed, job.place.data + packedBytes(first, bits))]);
  return error;
}
