import type { WindowPool } from '../wasm/windows.js';
import type { StoredTensor } from './container.js';
import { Pipeline } from './pipeline.js';
import { located, stretchesOf } from './tensor-windows.js';
import { readStretch, readableTensor, weightSourceOf } from './weight-source.js';

/** Magnitudes from here on are rounded to infinity: halfway between the largest F16, 65504, and what would come next. */
const LEAST_OVERFLOW = 65520;

/**
 * Names of the tensors with a finite weight that F16 would make infinite. Reads all of their weights; rejects with
 * `not_finite` where one is NaN or infinite, as the conversion would.
 */
export async function findOverflowing(
  tensors: readonly StoredTensor[],
  pool: WindowPool,
  signal: AbortSignal | undefined,
): Promise<ReadonlySet<string>> {
  const overflowing = new Set<string>();
  const pipeline = new Pipeline(pool, signal);
  try {
    for (const tensor of tensors) await scanTensor(tensor, pipeline, () => overflowing.add(tensor.name));
    await pipeline.drain();
  } catch (error) {
    await pipeline.settle();
    throw pipeline.cause(error);
  }
  return overflowing;
}

async function scanTensor(stored: StoredTensor, pipeline: Pipeline, found: () => void): Promise<void> {
  if (stored.elements === 0 || weightSourceOf(stored) === null) return;
  const readable = readableTensor(stored);
  for (const stretch of stretchesOf(stored.elements)) {
    await pipeline.start((window) =>
      located(stored, stretch.first, async () => {
        await readStretch(readable, window, stretch);
        const { extreme } = await window.scan(stretch.weights, readable.source);
        if (Math.abs(extreme) >= LEAST_OVERFLOW) found();
      }),
    );
  }
}
