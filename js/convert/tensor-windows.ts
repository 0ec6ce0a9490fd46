import { QuantizeError } from '../errors.js';
import { WINDOW_WEIGHTS, type ErrorSums, type LeasedWindow } from '../wasm/windows.js';
import { sourceOf, type StoredTensor } from '../containers/container.js';
import type { TensorJob } from './convert.js';
import { metricsOf } from './metrics.js';
import type { PieceInput } from './pipeline.js';

/** A stretch of a tensor that fits into a heap window. `first` is a multiple of every group size. */
export interface Stretch {
  readonly index: number;
  readonly first: number;
  readonly weights: number;
}

/** The stretches that a tensor of `elements` elements is dealt with in; one empty stretch for an empty tensor. */
export function stretchesOf(elements: number): Stretch[] {
  const count = Math.max(1, Math.ceil(elements / WINDOW_WEIGHTS));
  return Array.from({ length: count }, (_, index) => {
    const first = index * WINDOW_WEIGHTS;
    return { index, first, weights: Math.min(WINDOW_WEIGHTS, elements - first) };
  });
}

/** How the stretches of a job's tensor are read, worked on and written. */
export interface StretchWork {
  readonly inputOf: (stretch: Stretch) => PieceInput;
  /** Where the stretch's bytes go, if they go to one place. */
  readonly outputOf: (stretch: Stretch) => OutputRange;
  /** Resolves to what was lost, or null. */
  readonly work: (window: LeasedWindow, stretch: Stretch) => Promise<ErrorSums | null>;
  /** Bytes of the input for each weight. */
  readonly bytesPerWeight: number;
}

/** Bytes of an output file. */
export interface OutputRange {
  readonly position: number;
  readonly bytes: number;
}

/**
 * Starts work on every stretch of the job's tensor, and reports the tensor finished after the last one. Failures get the
 * names of file and tensor, and an index that counts from the tensor's first weight.
 */
export async function forEachStretch(
  job: TensorJob,
  { inputOf, outputOf, work, bytesPerWeight }: StretchWork,
): Promise<void> {
  const stretches = stretchesOf(job.stored.elements);
  const sums: ErrorSums[] = [];
  let unfinished = stretches.length;
  for (const stretch of stretches) {
    await job.pipeline.start({
      reserve: () => {
        const { position, bytes } = outputOf(stretch);
        return job.sink.reserve(position, bytes);
      },
      input: inputOf(stretch),
      work: async (window) => {
        const lost = await located(job.stored, stretch.first, () => work(window, stretch));
        if (lost !== null) sums[stretch.index] = lost;
      },
      end: async () => {
        job.advanced(stretch.weights * bytesPerWeight);
        if (--unfinished > 0) return;
        await job.finished(sums.length === stretches.length ? metricsOf(sums, job.stored.elements) : null);
      },
    });
  }
}

/** Runs `work` on weights of the tensor from `first` on; failures about one of them learn which tensor's it is. */
export async function located<Value>(
  { name, storage }: StoredTensor,
  first: number,
  work: () => Promise<Value>,
): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof QuantizeError) || error.index === undefined || error.layer !== undefined) throw error;
    const { code, index, detail } = error;
    const about = { file: sourceOf(storage).name, layer: name, index: first + index, cause: error };
    throw new QuantizeError(code, detail === undefined ? about : { ...about, detail });
  }
}

/** The bytes of `values`, which lie in memory as they do in files: WebAssembly is little-endian. */
export const bytesOf = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
