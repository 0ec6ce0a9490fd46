import type { FileLayout } from '../containers/container.js';
import { checkOnnxName, containerFor, refuseShardName } from '../containers/registry.js';
import { abandon, endpointName, sinkEndpoint } from '../endpoints.js';
import { abortError, QuantizeError } from '../errors.js';
import { isFolderFormat } from '../formats/names.js';
import type { ByteSink, ModelSink, ModelSource, PlannedFile } from '../io/byte-io.js';
import { byName, storedBytes } from '../layouts/tensor.js';
import { checkUnchanged, filesOf, openModel, type Model } from '../models/model.js';
import { memoryOf, shareWithStream } from '../pipeline/memory-budget.js';
import type { FileTools } from '../pipeline/tools.js';
import { filePlan, layOut, summaryOf, type ConversionPlan } from '../plan/plan.js';
import {
  tensorReport,
  totalsOf,
  type FilePlan,
  type FileReport,
  type PlannedStep,
  type TensorReport,
} from '../plan/report.js';
import { infiniteWeights } from '../plan/warnings.js';
import { planRestored, type Restoring } from '../plan/uniform.js';
import { part } from '../part.js';
import { callSafely } from '../pipeline/callbacks.js';
import { convert, piecesOf, placedSteps, type ConversionEvents, type FinishedTensor } from './convert.js';
import { fingerprintOf } from './fingerprint.js';
import { orderSteps } from './in-order.js';
import type { PlacedStep } from './job.js';
import type { ConvertFileOptions } from './options.js';
import type { OutputPart, WholeOutput } from './parts/part.js';
import { plannerOf, type PlannedFor, type Planner, type Quantization } from './planner.js';

/** The options that all conversions have, with every default filled in. */
export interface GivenConversionOptions extends Omit<ConvertFileOptions, 'resume' | 'durability' | 'memoryLimit'> {
  readonly resume: boolean;
  readonly durable: boolean;
  readonly memoryLimit: number;
}

/** Quantizes the model at `source` and writes it to `sink`. Rejects with a `QuantizeError`; `sink` is untouched then. */
export const quantizeFile = (
  tools: FileTools,
  source: ModelSource,
  sink: ModelSink,
  quantization: Quantization,
  options: GivenConversionOptions,
): Promise<FileReport> => {
  const loadPlanner = (): Promise<Planner> => plannerOf(quantization, plannedFor(tools, sink, quantization, options));
  return convertFile(tools, source, sink, loadPlanner, options, {
    ...{ measure: quantization.measure, part: quantization.part },
    output: outputOf(quantization),
  });
};

/** Restores the quantized tensors of the model at `source`, and writes it to `sink`. */
export const dequantizeFile = (
  tools: FileTools,
  source: ModelSource,
  sink: ModelSink,
  restoring: Restoring,
  options: GivenConversionOptions,
): Promise<FileReport> =>
  convertFile(tools, source, sink, () => Promise.resolve((model) => planRestored(model, restoring)), options, {
    ...{ measure: false, part: undefined },
    output: 'file',
  });

/** What `quantizeFile` would do with an opened model. */
export async function planModel(tools: FileTools, model: Model, quantization: Quantization): Promise<FilePlan> {
  const planner = await plannerOf(quantization, {
    output: { file: 'the output', inOrder: false },
    // Plans are of all of it.
    part: undefined,
    told: () => undefined,
  });
  const plan = await planner(model, tools);
  await checkUnchanged(model);
  return filePlan(plan, model, quantization.part);
}

const plannedFor = (
  { signal }: FileTools,
  sink: ModelSink,
  { part }: Quantization,
  { onEvent }: GivenConversionOptions,
): PlannedFor => ({
  part,
  output: { file: endpointName(sink), inOrder: sinkEndpoint(sink)?.kind === 'stream' },
  told: (tensor, done, tensors) => {
    if (!signal.aborted) callSafely(onEvent, { type: 'measure', tensor, done, tensors });
  },
});

async function convertFile(
  tools: FileTools,
  source: ModelSource,
  sink: ModelSink,
  loadPlanner: () => Promise<Planner>,
  options: GivenConversionOptions,
  { output, ...ways }: Omit<Ways, 'clock'> & { readonly output: OutputKind },
): Promise<FileReport> {
  const clock = new Clock();
  const { signal } = tools;
  try {
    if (signal.aborted) throw abortError(signal.reason);
    if (output !== 'folder') checkFile(sink, output);
    if (ways.part !== undefined) {
      const { checkPartSink } = await part(() => import('./parts/part.js'));
      checkPartSink(sink, tools.files);
    }
    const planner = await loadPlanner();
    const model = await openModel(await tools.files.openSource(source, signal), signal);
    return await convertModel(tools, model, sink, planner, options, { ...ways, clock });
  } catch (error) {
    abandon(sink, error);
    throw error;
  }
}

/** What a conversion writes. */
type OutputKind = 'folder' | 'onnx' | 'file';

function outputOf(quantization: Quantization): OutputKind {
  if (quantization.kind !== 'format') return 'file';
  return isFolderFormat(quantization.format) ? 'folder' : quantization.format;
}

/** Throws `invalid_option` for a sink that is no file, or that is named as none that can be written. */
function checkFile(sink: ModelSink, output: 'onnx' | 'file'): void {
  if (typeof sink === 'string') (output === 'onnx' ? checkOnnxName : containerFor)(sink);
  const kind = sinkEndpoint(sink)?.kind;
  if (kind === 'web-handle') refuseShardName(endpointName(sink));
  if (kind !== 'web-folder') return;
  const detail = 'the output is a folder, which only formats such as mlx are; give a file, or the format';
  throw new QuantizeError('invalid_option', { detail });
}

/** How an output is written, besides the caller's options. */
interface Ways {
  readonly measure: boolean;
  /** As in Quantization. */
  readonly part: number | undefined;
  readonly clock: Clock;
}

/** Closes the model. */
async function convertModel(
  tools: FileTools,
  model: Model,
  sink: ModelSink,
  planner: Planner,
  options: GivenConversionOptions,
  { measure, part: number, clock }: Ways,
): Promise<FileReport> {
  const { signal } = tools;
  try {
    const limitBytes = memoryOf(tools.pool, options.memoryLimit);
    const plan = await planner(model, { ...tools, memoryBytes: limitBytes });
    const inOrder = sinkEndpoint(sink)?.kind === 'stream';
    const whole = layOut(plan, model, endpointName(sink), inOrder);
    const { heldBytes, workBytes } = shareWithStream(limitBytes);
    const all = placedSteps(plan.steps, whole, plan.layout);
    const cut =
      number === undefined ? null : await cutOut(tools, { plan, layout: whole, steps: all }, number, model, sink);
    const { layout, steps: placed } = cut ?? { layout: whole, steps: all };
    const ordered = inOrder ? orderSteps(placed, heldBytes) : null;
    const steps = ordered?.steps ?? placed;
    const bytes = bytesOf(layout);
    const watch = (): Tracker => new Tracker(steps, plan, options, { clock, sources: model.sources });
    if (cut?.isThere === true) return reportOf(plan, model, { ...foundThere(steps, watch()), clock, sink, cut, bytes });
    const output = await tools.files.openSink(cut?.sink ?? sink, {
      ...{ bytes, signal, pieces: piecesOf(steps, ordered, layout), heldBytes },
      ...{ durable: options.durable, isFolder: plan.folder !== undefined, part: cut?.planned },
      inputs: [...filesOf(model), ...(plan.inputs ?? [])],
      between: inOrder ? layout.files.flatMap(({ literals = [] }) => literals) : [],
      files: cut === null && isOneFile(plan, layout) ? undefined : plannedFiles(layout),
      resume: options.resume
        ? { fingerprint: await fingerprintOf(inputsOf(model), layout, steps, measure) }
        : undefined,
    });
    const events = watch();
    const memoryBytes = output.holds || keepsPlanes(steps) ? workBytes : limitBytes;
    const conversion = {
      ...{ steps, ordered, layout, measure, events, keptBytes: heldBytes },
      tools: { ...tools, memoryBytes },
    };
    await convert(conversion, filesOf(model), output);
    return reportOf(plan, model, { ...events.outcome, clock, sink, output, cut, bytes });
  } finally {
    await model.close();
  }
}

const bytesOf = ({ files }: FileLayout): number => files.reduce((sum, { fileBytes }) => sum + fileBytes, 0);

const plannedFiles = ({ files }: FileLayout): PlannedFile[] =>
  files.map(({ name, fileBytes }) => ({ name, bytes: fileBytes }));

const keepsPlanes = (steps: readonly PlacedStep[]): boolean =>
  steps.some(({ columns, parts }) => columns !== undefined || (parts !== null && parts.kept.length > 0));

const isOneFile = ({ folder }: ConversionPlan, { files }: FileLayout): boolean =>
  files.length === 1 && folder === undefined;

const inputsOf = (model: Model): Pick<Model, 'sources'> => ({ sources: filesOf(model) });

/** Tells of tensors that are there already. */
function foundThere(steps: readonly PlacedStep[], events: Tracker): Tracker['outcome'] {
  for (const step of steps) events.finished(step, { metrics: null, overflowed: false });
  return events.outcome;
}

async function cutOut(
  { files, signal }: FileTools,
  whole: WholeOutput,
  number: number,
  model: Model,
  sink: ModelSink,
): Promise<OutputPart> {
  const { checkPartSink, cutPart } = await part(() => import('./parts/part.js'));
  return cutPart(whole, number, model, { sink, outputs: checkPartSink(sink, files), signal });
}

/** What has become of an output, or of one part of it. */
interface Done {
  readonly reports: readonly TensorReport[];
  readonly overflowed: readonly PlannedStep[];
  readonly clock: Clock;
  readonly sink: ModelSink;
  /** Absent where the part was there already. */
  readonly output?: ByteSink;
  readonly cut: OutputPart | null;
  readonly bytes: number;
}

function reportOf(plan: ConversionPlan, model: Model, done: Done): FileReport {
  const { cut, output, overflowed, bytes } = done;
  const tensors = [...done.reports].sort(byName);
  const totals = totalsOf(tensors, bytes);
  const { seconds } = done.clock;
  const bytesPerSecond = seconds === 0 ? 0 : totals.bytesBefore / seconds;
  const summary = summaryOf(plan, model);
  return {
    ...summary,
    warnings: [...summary.warnings, ...infiniteWeights(overflowed)],
    output: endpointName(done.sink),
    files: output?.files.map(({ name }) => name) ?? cut?.paths ?? [],
    ...(cut !== null && {
      part: { part: cut.about.part, parts: cut.about.parts, leftAlone: cut.isThere, manifest: cut.manifest },
    }),
    tensors,
    totals: { ...totals, seconds, bytesPerSecond, downloadedBytes: downloadedOf(model.sources) },
  };
}

const downloadedOf = (sources: Model['sources']): number =>
  sources.reduce((sum, { downloadedBytes = 0 }) => sum + downloadedBytes, 0);

class Clock {
  readonly #begin = performance.now();

  get seconds(): number {
    return (performance.now() - this.#begin) / 1000;
  }
}

/** Turns what the conversion tells into the caller's events, and keeps the reports. */
class Tracker implements ConversionEvents {
  readonly reports: TensorReport[] = [];
  readonly overflowed: PlannedStep[] = [];
  readonly #options: GivenConversionOptions;
  readonly #clock: Clock;
  readonly #sources: Model['sources'];
  readonly #tensors: number;
  readonly #bytes: number;
  #done = 0;

  constructor(
    steps: readonly PlannedStep[],
    { warnings }: ConversionPlan,
    options: GivenConversionOptions,
    { clock, sources }: { readonly clock: Clock; readonly sources: Model['sources'] },
  ) {
    this.#options = options;
    this.#clock = clock;
    this.#sources = sources;
    this.#tensors = steps.length;
    this.#bytes = steps.reduce((bytes, { stored }) => bytes + storedBytes(stored), 0);
    this.#tell(options.onEvent, { type: 'start', tensors: this.#tensors, bytes: this.#bytes, warnings });
  }

  get outcome(): Pick<Done, 'reports' | 'overflowed'> {
    return { reports: this.reports, overflowed: this.overflowed };
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
      downloadedBytes: downloadedOf(this.#sources),
    });
  }

  finished(step: PlannedStep, { metrics, overflowed }: FinishedTensor): void {
    if (overflowed) this.overflowed.push(step);
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
