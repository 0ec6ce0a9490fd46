import type { WeightRange } from '../wasm/windows.js';
import type { StoredTensor } from '../containers/container.js';
import { Pipeline, type PipelineTools } from '../convert/pipeline.js';
import { located, stretchesOf } from '../convert/tensor-windows.js';
import { inputOfStretch, readableTensor, weightSourceOf } from '../convert/weight-source.js';

/** Magnitudes from here on are rounded to infinity: halfway between the largest value and what would come next. */
const LEAST_OVERFLOW = { F16: 65520, BF16: (2 - 2 ** -8) * 2 ** 127 } as const;

/** A tensor, and the type of 16 bits that it is to become. */
export interface NarrowedTensor {
  readonly stored: StoredTensor;
  readonly dtype: keyof typeof LEAST_OVERFLOW;
}

/**
 * Names of the tensors with a finite weight that their new type would make infinite. Reads all of their weights; rejects
 * with `not_finite` where one is NaN or infinite, as the conversion would.
 */
export async function findOverflowing(
  tensors: readonly NarrowedTensor[],
  tools: PipelineTools,
): Promise<ReadonlySet<string>> {
  const overflowing = new Set<string>();
  const pipeline = new Pipeline(tools);
  try {
    for (const tensor of tensors) await scanTensor(tensor, pipeline, () => overflowing.add(tensor.stored.name));
    await pipeline.drain();
  } catch (error) {
    tools.fail(error);
    await pipeline.settle();
    throw pipeline.cause(error);
  }
  return overflowing;
}

async function scanTensor({ stored, dtype }: NarrowedTensor, pipeline: Pipeline, found: () => void): Promise<void> {
  if (stored.elements === 0 || weightSourceOf(stored) === null) return;
  const readable = readableTensor(stored);
  for (const stretch of stretchesOf(stored.elements)) {
    await pipeline.start({
      input: inputOfStretch(readable, stretch),
      work: async (window) => {
        const scan = (): Promise<WeightRange> => window.scan(stretch.weights, readable.source);
        const { extreme } = await located(stored, stretch.first, scan);
        if (Math.abs(extreme) >= LEAST_OVERFLOW[dtype]) found();
      },
    });
  }
}
