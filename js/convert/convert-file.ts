import { abandon, endpointName, sinkEndpoint } from '../endpoints.js';
import { abortError } from '../errors.js';
import type { WindowPool } from '../wasm/windows.js';
import { callSafely } from './callbacks.js';
import { storedBytes, type Model } from '../containers/container.js';
import { convert, piecesOf, placedSteps, type ConversionEvents } from './convert.js';
import type { FloatType } from '../containers/dtypes.js';
import { fingerprintOf } from './fingerprint.js';
import type { ByteSink, FileAccess, ModelSink, ModelSource } from '../io/byte-io.js';
import type { TensorMetrics } from './metrics.js';
import type { ConvertFileOptions } from './options.js';
import { memoryOf, shareWithStream } from './memory-budget.js';
import type { PipelineTools } from './pipeline.js';
import { planAffine, planRestored, type AffineQuantization } from '../plan/plan-affine.js';
import { planGguf, type GgufQuantization } from '../plan/plan-gguf.js';
import { contentsOf, filePlan, summaryOf, type ConversionPlan, type PlannedStep } from '../plan/plan.js';
import { containerFor, openModel, refuseShardName } from '../containers/registry.js';
import { byName, tensorReport, totalsOf, type FilePlan, type FileReport, type TensorReport } from '../plan/report.js';

/** What a call that works on files has to work with. */
export interface FileTools {
  readonly pool: WindowPool;
  readonly files: FileAccess;
  /** Ends the call's reads and writes: for the caller, when the quantizer is disposed, and after the first failure. */
  readonly signal: AbortSignal;
  /** Makes the signal fire because of a failure. */
  readonly fail: (error: unknown) => void;
}

/** How to quantize. */
export type Quantization =
  ({ readonly kind: 'affine' } & AffineQuantization) | ({ readonly kind: 'gguf' } & GgufQuantization);

/** The options that all conversions have, with every default filled in. */
export interface GivenConversionOptions extends Omit<ConvertFileOptions, 'resume' | 'memoryLimit'> {
  readonly resume: boolean;
  readonly memoryLimit: number;
}

type Planner = (model: Model, tools: PipelineTools) => Promise<ConversionPlan>;

/** Quantizes the model at `source` and writes it to `sink`. Rejects with a `QuantizeError`; `sink` is untouched then. */
export const quantizeFile = (
  tools: FileTools,
  source: ModelSource,
  sink: ModelSink,
  quantization: Quantization,
  options: GivenConversionOptions,
): Promise<FileReport> => convertFile(tools, source, sink, plannerOf(quantization), options, quantization.measure);

/** Restores the quantized tensors of the model at `source`, as `dtype` or what they were before, and writes it to `sink`. */
export const dequantizeFile = (
  tools: FileTools,
  source: ModelSource,
  sink: ModelSink,
  dtype: FloatType | null,
  options: GivenConversionOptions,
): Promise<FileReport> =>
  convertFile(tools, source, sink, (model) => Promise.resolve(planRestored(model, dtype)), options, false);

/** What `quantizeFile` would do. */
export async function planFile(tools: FileTools, source: ModelSource, quantization: Quantization): Promise<FilePlan> {
  const model = await openModel(await tools.files.openSource(source, tools.signal));
  try {
    const plan = await plannerOf(quantization)(model, tools);
    for (const one of model.sources) await one.checkUnchanged();
    return filePlan(plan, model);
  } finally {
    await model.close();
  }
}

const plannerOf =
  (quantization: Quantization): Planner =>
  async (model, tools) =>
    quantization.kind === 'affine' ? planAffine(model, quantization) : planGguf(model, quantization, tools);

async function convertFile(
  tools: FileTools,
  source: ModelSource,
  sink: ModelSink,
  planner: Planner,
  options: GivenConversionOptions,
  measure: boolean,
): Promise<FileReport> {
  const clock = new Clock();
  const { signal } = tools;
  try {
    if (signal.aborted) throw abortError(signal.reason);
    if (typeof sink === 'string') containerFor(sink);
    else if (sinkEndpoint(sink)?.kind === 'web-handle') refuseShardName(endpointName(sink));
    const model = await openModel(await tools.files.openSource(source, signal));
    return await convertModel(tools, model, sink, planner, options, { measure, clock });
  } catch (error) {
    abandon(sink, error);
    throw error;
  }
}

/** Closes the model. */
async function convertModel(
  tools: FileTools,
  model: Model,
  sink: ModelSink,
  planner: Planner,
  options: GivenConversionOptions,
  { measure, clock }: { readonly measure: boolean; readonly clock: Clock },
): Promise<FileReport> {
  const { files, signal } = tools;
  try {
    const limitBytes = memoryOf(tools.pool, options.memoryLimit);
    const plan = await planner(model, { ...tools, memoryBytes: limitBytes });
    const layout = plan.container.layout(contentsOf(plan, model, endpointName(sink)));
    const steps = placedSteps(plan.steps, layout);
    const bytes = layout.files.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
    const { heldBytes, workBytes } = shareWithStream(limitBytes);
    const output = await files.openSink(sink, {
      ...{ bytes, inputs: model.sources, signal, pieces: piecesOf(steps, layout), heldBytes },
      files:
        layout.files.length === 1 ? undefined : layout.files.map(({ name, fileBytes }) => ({ name, bytes: fileBytes })),
      resume: options.resume ? { fingerprint: await fingerprintOf(model, layout, steps, measure) } : undefined,
    });
    const tracker = new Tracker(steps, plan, options, clock);
    const memoryBytes = output.holds ? workBytes : limitBytes;
    await convert({ steps, layout, measure, tools: { ...tools, memoryBytes }, events: tracker }, model.sources, output);
    return reportOf(plan, model, { tracker, clock, sink, output, bytes });
  } finally {
    await model.close();
  }
}

function reportOf(
  plan: ConversionPlan,
  model: Model,
  done: {
    readonly tracker: Tracker;
    readonly clock: Clock;
    readonly sink: ModelSink;
    readonly output: ByteSink;
    readonly bytes: number;
  },
): FileReport {
  const tensors = [...done.tracker.reports].sort(byName);
  const totals = totalsOf(tensors, done.bytes);
  const { seconds } = done.clock;
  const bytesPerSecond = seconds === 0 ? 0 : totals.bytesBefore / seconds;
  return {
    ...summaryOf(plan, model),
    output: endpointName(done.sink),
    files: done.output.files.map(({ name }) => name),
    tensors,
    totals: { ...totals, seconds, bytesPerSecond },
  };
}

class Clock {
  readonly #begin = performance.now();

  get seconds(): number {
    return (performance.now() - this.#begin) / 1000;
  }
}

/** Turns what the conversion tells into the caller's events, and keeps the reports. */
class Tracker implements ConversionEvents {
  readonly reports: TensorReport[] = [];
  readonly #options: GivenConversionOptions;
  readonly #clock: Clock;
  readonly #tensors: number;
  readonly #bytes: number;
  #done = 0;

  constructor(
    steps: readonly PlannedStep[],
    { warnings }: ConversionPlan,
    options: GivenConversionOptions,
    clock: Clock,
  ) {
    this.#options = options;
    this.#clock = clock;
    this.#tensors = steps.length;
    this.#bytes = steps.reduce((bytes, { stored }) => bytes + storedBytes(stored.storage), 0);
    this.#tell(options.onEvent, { type: 'start', tensors: this.#tensors, bytes: this.#bytes, warnings });
  }

  advanced({ stored }: PlannedStep, moreBytes: number): void {
    this.#done += moreBytes;
    const bytes = this.#bytes;
    const done = Math.min(bytes, Math.round(this.#done));
    const { seconds } = this.#clock;
    const bytesPerSecond = seconds === 0 ? 0 : done / seconds;
    const secondsLeft = done === bytes ? 0 : (bytes - done) / bytesPerSecond;
    this.#tell(this.#options.onEvent, {
      ...{ type: 'bytes', tensor: stored.name, done, bytes, seconds, bytesPerSecond, secondsLeft },
    });
  }

  finished(step: PlannedStep, metrics: TensorMetrics | null): void {
    const report = tensorReport(step, metrics);
    this.reports.push(report);
    const done = this.reports.length;
    this.#tell(this.#options.onTensor, report);
    this.#tell(this.#options.onEvent, { type: 'tensor', report, done, tensors: this.#tensors });
    this.#tell(this.#options.progress, report.name, done / this.#tensors);
  }

  /** One event may go to several callbacks, and each of them may end the call. */
  #tell<Arguments extends readonly unknown[]>(
    callback: ((...about: Arguments) => unknown) | null | undefined,
    ...about: Arguments
  ): void {
    if (this.#options.signal?.aborted !== true) callSafely(callback, ...about);
  }
}
