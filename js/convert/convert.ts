import { abortError } from '../errors.js';
import type { WindowPool } from '../wasm/windows.js';
import {
  storedBytes,
  targetBytes,
  type FileLayout,
  type StoredTensor,
  type TensorPlace,
} from '../containers/container.js';
import { copyTensor } from './copy.js';
import { dequantizeTensor } from './dequantize-tensor.js';
import { encodeTensor } from './encode-tensor.js';
import type { ByteSink, ByteSource, ByteWriter, PlannedPiece } from '../io/byte-io.js';
import type { TensorMetrics } from './metrics.js';
import { Pipeline, type PipelineTools } from './pipeline.js';
import type { PlannedStep } from '../plan/plan.js';
import { quantizeTensor } from './quantize-tensor.js';

/** A step, and where its bytes go. */
export interface PlacedStep extends PlannedStep {
  readonly place: TensorPlace;
}

export interface Conversion {
  /** In the order in which they are worked on. */
  readonly steps: readonly PlacedStep[];
  readonly layout: FileLayout;
  /** Whether to measure what the converted tensors lost. */
  readonly measure: boolean;
  /** Windows for the work, and what ends it. */
  readonly tools: PipelineTools;
  readonly events: ConversionEvents;
}

/** Called as the conversion goes on, never after a failure or an abort; must not throw. */
export interface ConversionEvents {
  /** `bytes` more bytes of the input have been dealt with. */
  advanced(step: PlannedStep, bytes: number): void;
  /** All of the tensor is written; `metrics` is null where nothing was measured. */
  finished(step: PlannedStep, metrics: TensorMetrics | null): void;
}

/** What the functions that treat one tensor need. */
export interface TensorJob {
  readonly stored: StoredTensor;
  readonly place: TensorPlace;
  readonly pool: WindowPool;
  readonly pipeline: Pipeline;
  readonly sink: ByteWriter;
  readonly measure: boolean;
  /** As in ConversionEvents. */
  readonly advanced: (bytes: number) => void;
  readonly finished: (metrics: TensorMetrics | null) => Promise<void>;
}

/** The steps in the order in which their bytes lie in the output: for sinks that take bytes in order only. */
export function placedSteps(steps: readonly PlannedStep[], { places }: FileLayout): PlacedStep[] {
  const placed = steps.map((step, index) => {
    const place = places[index];
    if (place === undefined) throw new RangeError(`the layout has no place for ${step.stored.name}`);
    return { ...step, place };
  });
  return placed.sort((a, b) => a.place.file - b.place.file || a.place.data - b.place.data);
}

/** What is going to be written, in the order of the work. Scales and zero points lie apart from their levels. */
export function piecesOf(steps: readonly PlacedStep[], { files }: FileLayout): PlannedPiece[] {
  const pieces = files.slice(0, 1).map(({ header }) => ({ begin: 0, bytes: header.length }));
  for (const { planned, place } of steps) {
    const { elements, target } = planned;
    pieces.push({ begin: place.data, bytes: targetBytes(elements, target) });
    if (target.kind === 'affine') pieces.push({ begin: place.scales, bytes: 0 }, { begin: place.zeroPoints, bytes: 0 });
  }
  return pieces;
}

/**
 * Writes the output of a conversion of `sources` into an opened sink, and commits it. Memory is bounded by the tools' limit
 * whatever the sizes of tensors and files. The output has its final name only when complete; after a failure or an abort it
 * is as it was before.
 */
export async function convert(conversion: Conversion, sources: readonly ByteSource[], sink: ByteSink): Promise<void> {
  const { layout, tools } = conversion;
  const { signal } = tools;
  try {
    for (const [index, { header }] of layout.files.entries()) await writeHeader(writerOf(sink, index), header);
    await convertTensors(conversion, sink);
    for (const source of sources) await source.checkUnchanged();
    await sink.commit(() => {
      if (signal?.aborted === true) throw abortError(signal.reason);
    });
  } catch (error) {
    // What was written of two versions of an input must not be kept, whatever else has failed.
    await sink.discard((await changeOf(sources)) ?? error);
    throw error;
  }
}

/** What says that one of the sources has changed; undefined when none has. */
async function changeOf(sources: readonly ByteSource[]): Promise<unknown> {
  try {
    for (const source of sources) await source.checkUnchanged();
    return undefined;
  } catch (error) {
    return error;
  }
}

async function writeHeader(writer: ByteWriter, header: Uint8Array): Promise<void> {
  await writer.reserve(0, header.length);
  await writer.write(header, 0);
}

function writerOf(sink: ByteSink, file: number): ByteWriter {
  const writer = sink.files[file];
  if (writer === undefined) throw new RangeError(`the sink has no file number ${file}`);
  return writer;
}

async function convertTensors(conversion: Conversion, sink: ByteSink): Promise<void> {
  const { steps, tools } = conversion;
  const fail = (error: unknown): void => {
    sink.stop(error);
    tools.fail(error);
  };
  const pipeline = new Pipeline({ ...tools, fail });
  const completed = completedTensors(sink);
  try {
    for (const step of steps) await convertTensor(step, jobFor(step, conversion, pipeline, sink), completed);
    await pipeline.drain();
  } catch (error) {
    fail(error);
    await pipeline.settle();
    throw pipeline.cause(error);
  }
}

function jobFor(
  step: PlacedStep,
  { measure, tools: { pool, signal }, events }: Conversion,
  pipeline: Pipeline,
  sink: ByteSink,
): TensorJob {
  const { stored, place } = step;
  const goesOn = (): boolean => !pipeline.failed && signal?.aborted !== true;
  return {
    ...{ stored, place, pool, pipeline, measure },
    sink: writerOf(sink, place.file),
    advanced: (bytes) => {
      if (goesOn()) events.advanced(step, bytes);
    },
    finished: async (metrics) => {
      await sink.complete(JSON.stringify([stored.name, metrics]));
      if (goesOn()) events.finished(step, metrics);
    },
  };
}

/** What an earlier run has written, and what it measured. */
function completedTensors({ completed }: ByteSink): ReadonlyMap<string, TensorMetrics | null> {
  return new Map([...completed].map((text) => JSON.parse(text) as readonly [string, TensorMetrics | null]));
}

async function convertTensor(
  { stored: { name, storage, dtype, elements }, planned: { target } }: PlacedStep,
  job: TensorJob,
  completed: ReadonlyMap<string, TensorMetrics | null>,
): Promise<void> {
  const metrics = completed.get(name);
  if (metrics !== undefined) {
    return job.pipeline.start({
      end: async () => {
        job.advanced(storedBytes(storage));
        await job.finished(metrics);
      },
    });
  }
  if (elements === 0) return job.finished(null);
  if (target.kind === 'affine') return quantizeTensor(job, target);
  if (storage.kind === 'affine') {
    if (target.kind === 'plain') return dequantizeTensor(job, storage, target);
    throw new RangeError(`there is no way from ${storage.kind} to ${target.kind}`);
  }
  if (isCopy(storage, dtype, target)) return copyTensor(job, storage.data);
  if (target.kind === 'opaque') throw new RangeError(`${name} cannot become ${target.type}`);
  return encodeTensor(job, target);
}

/** Whether the tensor's bytes are what the target wants already. */
function isCopy(
  storage: Exclude<StoredTensor['storage'], { kind: 'affine' }>,
  dtype: StoredTensor['dtype'],
  target: PlannedStep['planned']['target'],
): boolean {
  if (storage.kind === 'plain') return target.kind === 'plain' && target.dtype === dtype && storage.scale === undefined;
  if (storage.kind === 'block') return target.kind === 'block' && target.format === storage.format;
  return target.kind === 'opaque' && target.type === storage.type;
}
