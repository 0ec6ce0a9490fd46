import { codecNamed, sameCodec } from '../codecs/codec.js';
import { Pipeline, type PipelineTools } from '../pipeline/pipeline.js';
import { inputOfStretch, locating, sourceCodecOf, stretchesOf } from '../pipeline/stretches.js';
import { targetLabel, type CodedTensor } from '../layouts/tensor.js';
import { codecTarget } from './plan.js';
import type { PlannedStep } from './report.js';

/** Magnitudes from here on are rounded to infinity: halfway between the largest value and what would come next. */
const LEAST_OVERFLOW: ReadonlyMap<string, number> = new Map([
  ['F16', 65520],
  ['BF16', (2 - 2 ** -8) * 2 ** 127],
]);

/**
 * The same steps, but for tensors with a finite weight that the F16 or BF16 that they would become cannot hold: those become
 * F32. Reads all of their weights; rejects with `not_finite` where one is NaN or infinite, as the conversion would.
 */
export async function keepingOverflowing(
  steps: readonly PlannedStep[],
  tools: PipelineTools,
): Promise<readonly PlannedStep[]> {
  const overflowing = new Set<PlannedStep>();
  await Pipeline.run(tools, async (pipeline) => {
    for (const step of steps) {
      const least = leastOverflow(step);
      const { stored } = step;
      if (least === undefined || stored.codec === null) continue;
      await scanTensor(stored, pipeline, (magnitude) => {
        if (magnitude >= least) overflowing.add(step);
      });
    }
  });
  return steps.map((step) => (overflowing.has(step) ? asF32(step) : step));
}

/** Undefined where no weight of the tensor can be too large for what it becomes. */
function leastOverflow({ stored, planned: { target } }: PlannedStep): number | undefined {
  if (target.kind !== 'codec' || stored.codec === null || stored.elements === 0) return undefined;
  const isCopied = sameCodec(stored.codec, target.codec) && stored.scale === undefined;
  return isCopied ? undefined : LEAST_OVERFLOW.get(target.codec.name);
}

function asF32(step: PlannedStep): PlannedStep {
  const { stored, planned } = step;
  const kept = stored.codec?.name === 'F32';
  const target = codecTarget(codecNamed('F32'));
  return { ...step, planned: { ...planned, target }, rule: `too large for ${targetLabel(planned.target)}`, kept };
}

async function scanTensor(tensor: CodedTensor, pipeline: Pipeline, found: (magnitude: number) => void): Promise<void> {
  for (const stretch of stretchesOf(tensor.elements)) {
    await pipeline.start({
      input: inputOfStretch(tensor, stretch),
      work: async (window) => {
        const { extreme } = await locating(tensor, stretch.first, () =>
          window.scan(stretch.weights, sourceCodecOf(tensor)),
        );
        found(Math.abs(extreme));
      },
    });
  }
}
