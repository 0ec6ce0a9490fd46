import type { Codec } from '../../codecs/codec.js';
import type { CodedTensor } from '../../layouts/tensor.js';
import { Pipeline, type PipelineTools } from '../../pipeline/pipeline.js';
import { cutsOf, inputOfStretch, locating, sourceCodecOf, stretchesOf } from '../../pipeline/stretches.js';
import type { PlannedStep } from '../../plan/report.js';
import { torchMean } from './mean.js';

/** The plane of the scales. */
const SCALES = 1;
const SCALE_BYTES = 4;

/**
 * The mean of the scales of each tensor that becomes `codec`, by its name in the output. They must be known before anything is
 * written, because the text that has them is as long as their digits are: the weights are read once more for it.
 */
export async function meansOfScales(
  steps: readonly PlannedStep[],
  codec: Codec,
  tools: PipelineTools,
): Promise<ReadonlyMap<string, number>> {
  const means = new Map<string, number>();
  await Pipeline.run(tools, async (pipeline) => {
    for (const { stored, planned } of steps) {
      const isQuantized = planned.target.kind === 'codec' && planned.target.codec.name === codec.name;
      if (!isQuantized || stored.codec === null || stored.elements === 0) continue;
      await startMean(stored, codec, pipeline, (mean) => means.set(planned.name, mean));
    }
  });
  return means;
}

async function startMean(
  tensor: CodedTensor,
  codec: Codec,
  pipeline: Pipeline,
  found: (mean: number) => void,
): Promise<void> {
  const [, all = { bytes: 0 }] = cutsOf(codec, { first: 0, weights: tensor.elements });
  const scales = new Float32Array(all.bytes / SCALE_BYTES);
  const bytes = new Uint8Array(scales.buffer);
  const stretches = stretchesOf(tensor.elements);
  let unfinished = stretches.length;
  for (const stretch of stretches) {
    await pipeline.start({
      input: inputOfStretch(tensor, stretch),
      work: async (window) => {
        const { planes } = await locating(tensor, stretch.first, () =>
          window.transcode(stretch.weights, sourceCodecOf(tensor), codec),
        );
        bytes.set(planes[SCALES] ?? [], cutsOf(codec, stretch)[SCALES]?.begin);
        if (--unfinished === 0) found(torchMean(scales));
      },
    });
  }
}
