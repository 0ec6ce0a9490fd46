import { endpointName } from '../endpoints.js';
import { QuantizeError } from '../errors.js';
import type { WindowPool } from '../wasm/windows.js';
import type { Container, PlannedTensor, StoredTensor, TensorPlace } from './container.js';
import { copyTensor } from './copy.js';
import { dequantizeTensor } from './dequantize-tensor.js';
import type { ByteSink, ByteSource, FileAccess, ModelSink } from './io.js';
import type { TensorMetrics } from './metrics.js';
import { Pipeline } from './pipeline.js';
import { quantizeTensor } from './quantize-tensor.js';

/** What one tensor is to become. */
export interface Step {
  readonly stored: StoredTensor;
  readonly planned: PlannedTensor;
  /** Name of the rule that keeps the tensor as it is; null when it is converted. */
  readonly rule: string | null;
}

export interface Conversion {
  readonly steps: readonly Step[];
  /** The files that are read. */
  readonly inputs: readonly ByteSource[];
  readonly container: Container;
  readonly sink: ModelSink;
  readonly metadata: ReadonlyMap<string, string>;
  /** Whether to measure what the quantized tensors lost. */
  readonly measure: boolean;
  readonly signal: AbortSignal | undefined;
  readonly events: ConversionEvents;
}

/** Called as the conversion goes on, never after a failure or an abort; must not throw. */
export interface ConversionEvents {
  /** `bytes` more bytes of the input have been dealt with. */
  advanced(step: Step, bytes: number): void;
  /** All of the tensor is written; `metrics` is null where nothing was measured. */
  finished(step: Step, metrics: TensorMetrics | null): void;
}

/** What the functions that treat one tensor need. */
export interface TensorJob {
  readonly stored: StoredTensor;
  readonly place: TensorPlace;
  readonly pool: WindowPool;
  readonly pipeline: Pipeline;
  readonly sink: ByteSink;
  readonly measure: boolean;
  /** As in ConversionEvents. */
  readonly advanced: (bytes: number) => void;
  readonly finished: (metrics: TensorMetrics | null) => void;
}

/**
 * Writes the output file and returns its size. Memory is bounded by the pool's windows whatever the sizes of tensors and
 * files. The output has its final name only when complete; after a failure or an abort it is as it was before.
 */
export async function convert(conversion: Conversion, pool: WindowPool, files: FileAccess): Promise<number> {
  const { steps, inputs, container, metadata, signal } = conversion;
  const planned = steps.map((step) => step.planned);
  const layout = container.layout(planned, metadata, endpointName(conversion.sink));
  const sink = await files.openSink(conversion.sink, { bytes: layout.fileBytes, inputs, signal });
  try {
    await sink.write(layout.header, 0);
    await convertTensors(conversion, layout.places, pool, sink);
    await sink.commit(() => {
      if (signal?.aborted === true) throw new QuantizeError('aborted', { cause: signal.reason });
    });
  } catch (error) {
    await sink.discard(error);
    throw error;
  }
  return layout.fileBytes;
}

async function convertTensors(
  { steps, measure, signal, events }: Conversion,
  places: readonly TensorPlace[],
  pool: WindowPool,
  sink: ByteSink,
): Promise<void> {
  const pipeline = new Pipeline(pool, signal, (error) => {
    sink.stop(error);
  });
  const goesOn = (): boolean => !pipeline.failed && signal?.aborted !== true;
  try {
    for (const [index, step] of steps.entries()) {
      const place = places[index];
      if (place === undefined) throw new RangeError(`the layout has no place for ${step.stored.name}`);
      const advanced = (bytes: number): void => {
        if (goesOn()) events.advanced(step, bytes);
      };
      const finished = (metrics: TensorMetrics | null): void => {
        if (goesOn()) events.finished(step, metrics);
      };
      await convertTensor(step, { stored: step.stored, place, pool, pipeline, sink, measure, advanced, finished });
    }
    await pipeline.drain();
  } catch (error) {
    sink.stop(error);
    await pipeline.settle();
    throw pipeline.cause(error);
  }
}

async function convertTensor(
  { stored: { storage, elements }, planned: { target } }: Step,
  job: TensorJob,
): Promise<void> {
  if (elements === 0) job.finished(null);
  else if (storage.kind === 'plain' && target.kind === 'plain') await copyTensor(job, storage);
  else if (storage.kind === 'plain' && target.kind === 'affine') await quantizeTensor(job, storage, target);
  else if (storage.kind === 'affine' && target.kind === 'plain') await dequantizeTensor(job, storage, target);
  else throw new RangeError(`there is no way from ${storage.kind} to ${target.kind}`);
}
