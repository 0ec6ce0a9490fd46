import { isFloat, knowsRows, needsRange, needsRows, sameCodec, traitsOf, type Codec } from '../codecs/codec.js';
import { QuantizeError, type QuantizeErrorCode } from '../errors.js';
import { storedBytes, type CodedTensor } from '../layouts/tensor.js';
import { metricsOf } from '../pipeline/metrics.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import {
  cutsOf,
  inputOfStretch,
  locating,
  located,
  sourceCodecOf,
  stretchesOf,
  stretchUnit,
  type Stretch,
} from '../pipeline/stretches.js';
import { rowOptions } from '../plan/importance.js';
import type { PlannedStep } from '../plan/report.js';
import { rowWeights } from '../rules/file-types.js';
import type { ErrorSums, LeasedWindow, TranscodedWindow, TranscodeOptions, WeightRange } from '../wasm/windows.js';
import { Completion, type TensorJob } from './job.js';

/** A tensor on its way from one codec to another. */
export interface Transcoding {
  readonly job: TensorJob;
  readonly tensor: CodedTensor;
  readonly target: Codec;
}

/** Whether the tensor's bytes are those that the target asks for. */
export const isCopy = ({ codec, scale }: CodedTensor, target: Codec): boolean =>
  sameCodec(codec, target) && scale === undefined;

/** Whether a first pass has to find an extent: the tensor does not fit into one window, or that of others counts, too. */
export const needsFirstPass = ({ job, tensor, target }: Transcoding): boolean =>
  needsRange(target) &&
  (job.step.rangeOf !== undefined || stretchesOf(tensor.elements, unitOf(job, tensor, target)).length > 1);

/** Weights that the stretches of a tensor are multiples of, as the target's encoder wants them. */
export const unitOf = ({ step }: Pick<Encoding, 'step'>, { codec }: CodedTensor, target: Codec): number =>
  needsRows(target, step) ? stretchUnit(codec, rowWeights(step.planned.shape)) : 1;

/** Extents that have been found, or are being found, of tensors whose extent counts for several. */
export type Extents = Map<CodedTensor, Completion<WeightRange>>;

/** Starts the first pass; what it gives is the extent of all tensors that count, once all pieces have ended well. */
export async function startScan({ job, tensor }: Transcoding, extents: Extents): Promise<Promise<WeightRange>[]> {
  const { pipeline, step } = job;
  if (step.rangeOf === undefined) return [(await scanTensor(pipeline, tensor)).promise];
  const all: Promise<WeightRange>[] = [];
  for (const one of [tensor, ...step.rangeOf]) {
    const found = extents.get(one) ?? (await scanTensor(pipeline, one));
    extents.set(one, found);
    all.push(found.promise);
  }
  return all;
}

/** Starts the pieces that find a tensor's extent. */
export async function scanTensor(pipeline: Pipeline, tensor: CodedTensor): Promise<Completion<WeightRange>> {
  const stretches = stretchesOf(tensor.elements);
  const ranges: WeightRange[] = [];
  let unfinished = stretches.length;
  const found = new Completion<WeightRange>();
  for (const stretch of stretches) {
    await pipeline.start({
      input: inputOfStretch(tensor, stretch),
      work: async (window) => {
        ranges[stretch.index] = await scanStretch(tensor, window, stretch);
      },
      end: () => {
        if (--unfinished === 0) found.resolve(ranges.reduce(mergeRanges));
        return Promise.resolve();
      },
    });
  }
  return found;
}

const scanStretch = (tensor: CodedTensor, window: LeasedWindow, { first, weights }: Stretch): Promise<WeightRange> =>
  locating(tensor, first, () => window.scan(weights, sourceCodecOf(tensor)));

/** The extent of two sets of weights: of equal magnitudes, that of the first counts. */
export const mergeRanges = (first: WeightRange, later: WeightRange): WeightRange => ({
  lo: Math.min(first.lo, later.lo),
  hi: Math.max(first.hi, later.hi),
  extreme: Math.abs(later.extreme) > Math.abs(first.extreme) ? later.extreme : first.extreme,
});

/**
 * Starts the pieces that transcode the tensor, and reports it finished after the last one. `range` is its extent, where a
 * first pass has found it. Failures get the names of file and tensor, and an index that counts from its first weight.
 */
export async function transcodeTensor(transcoding: Transcoding, range?: WeightRange): Promise<void> {
  const { job, tensor, target } = transcoding;
  const { pipeline, output } = job;
  const stretches = stretchesOf(tensor.elements, unitOf(job, tensor, target));
  const bytesPerWeight = storedBytes(tensor) / tensor.elements;
  const sums: ErrorSums[] = [];
  const done = new Completion<void>();
  let unfinished = stretches.length;
  await output.begin?.();
  for (const stretch of stretches) {
    await pipeline.start({
      reserve: () => {
        const { begin, bytes } = cutsOf(target, stretch)[0] ?? { begin: 0, bytes: 0 };
        return output.reserve(begin, bytes);
      },
      input: inputOfStretch(tensor, stretch),
      work: async (window) => {
        const lost = await transcodeStretch(transcoding, window, stretch, range);
        if (lost !== null) sums[stretch.index] = lost;
      },
      end: async () => {
        job.advanced(stretch.weights * bytesPerWeight);
        if (--unfinished > 0) return;
        await output.complete?.();
        done.resolve();
        await job.finished(sums.length === stretches.length ? metricsOf(sums, tensor.elements) : null);
      },
    });
  }
  await output.end(pipeline, done.promise);
}

async function transcodeStretch(
  { job, tensor, target }: Transcoding,
  window: LeasedWindow,
  stretch: Stretch,
  range: WeightRange | undefined,
): Promise<ErrorSums | null> {
  const { planes, error } = await encodedStretch({ ...job, tensor, target }, window, stretch, range);
  const { index } = stretch;
  const cuts = cutsOf(target, stretch);
  await window.transfer(() =>
    planes.flatMap((bytes, plane) => {
      const begin = cuts[plane]?.begin ?? 0;
      // What spans the whole tensor is the same from every stretch.
      return begin === 0 && plane > 0 && index > 0 ? [] : [job.output.write(plane, bytes, begin)];
    }),
  );
  return error;
}

/** What is encoded of a tensor, and how. */
export interface Encoding extends Pick<TensorJob, 'measure' | 'overflowed'> {
  readonly step: PlannedStep;
  readonly tensor: CodedTensor;
  readonly target: Codec;
}

/** Encodes a stretch that is in the window, whose input stays as it is. `range` is that of the tensor, where it is known. */
export async function encodedStretch(
  encoding: Encoding,
  window: LeasedWindow,
  stretch: Stretch,
  range: WeightRange | undefined,
): Promise<TranscodedWindow> {
  const { tensor, target } = encoding;
  const { first, weights } = stretch;
  // A tensor that fits into one window is read once for both passes.
  const known = range ?? (needsRange(target) ? await scanStretch(tensor, window, stretch) : undefined);
  const options = { ...encodeOptions(encoding, target, stretch), range: known };
  return overflowing(encoding, (changed) =>
    transcoding(tensor, first, target, () =>
      window.transcode(weights, sourceCodecOf(tensor), target, { ...options, ...changed }),
    ),
  );
}

/** Where a step may overflow: that something does is told by its being refused at first. */
async function overflowing(
  { step, overflowed }: Pick<Encoding, 'step' | 'overflowed'>,
  encode: (changed?: TranscodeOptions) => Promise<TranscodedWindow>,
): Promise<TranscodedWindow> {
  try {
    return await encode();
  } catch (error) {
    if (step.overflows !== true || !isOverflow(error)) throw error;
    const encoded = await encode({ checked: false, overflows: true });
    overflowed();
    return encoded;
  }
}

const OVERFLOWS: readonly QuantizeErrorCode[] = ['not_finite', 'float_overflow', 'scale_overflow'];

const isOverflow = (error: unknown): boolean => error instanceof QuantizeError && OVERFLOWS.includes(error.code);

/** What a transcoding of a whole tensor, or of a stretch of it, is told besides source and target. */
export function encodeOptions(
  { step, measure }: Pick<Encoding, 'step' | 'measure'>,
  target: Codec,
  stretch: Pick<Stretch, 'first' | 'weights'> = { first: 0, weights: step.planned.elements },
): TranscodeOptions {
  const { effort, importance, planned } = step;
  const { shape, elements } = planned;
  const rows = knowsRows(target) ? rowOptions({ importance, shape, elements }, stretch) : {};
  return { measure, checked: isFloat(target), effort, ...rows };
}

/** Runs a transcoding; failures learn whose they are, and restored weights are called so. */
export async function transcoding<Value>(
  tensor: CodedTensor,
  first: number,
  target: Codec,
  work: () => Promise<Value>,
): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    throw located(tensor, first, restoredError(tensor, target, error));
  }
}

/** A restored weight may lie half a step outside of the original range, and so beyond what the target can hold. */
export function restoredError({ codec }: CodedTensor, target: Codec, error: unknown): unknown {
  if (!(error instanceof QuantizeError) || isFloat(codec) || !isFloat(target)) return error;
  const { ggmlType, encodes } = traitsOf(codec);
  if (ggmlType !== null || !encodes) return error;
  if (error.code !== 'not_finite' && error.code !== 'float_overflow') return error;
  const advice = target.name === 'F32' ? '' : '; restore it as F32';
  const detail = `what is restored is too large for ${target.name}${advice}`;
  const { index } = error;
  return new QuantizeError('not_finite', { detail, cause: error, ...(index !== undefined && { index }) });
}
