import { endpointName } from '../endpoints.js';
import { QuantizeError } from '../errors.js';
import { keepingRule, type TensorRule } from '../rules/rule.js';
import type { WindowPool } from '../wasm/windows.js';
import { callSafely } from './callbacks.js';
import { storedBytes, type AffineLayout, type StoredTensor, type TensorTarget } from './container.js';
import { convert, type ConversionEvents, type Step } from './convert.js';
import type { FloatType } from './dtypes.js';
import { invalidFile } from './errors.js';
import type { FileAccess, ModelSink, ModelSource } from './io.js';
import type { TensorMetrics } from './metrics.js';
import { containerFor, openModel } from './registry.js';
import type { ConvertFileOptions } from './options.js';
import { affineLabel, byName, tensorReport, totalsOf, type FileReport, type TensorReport } from './report.js';

/** What file functions work with. */
export interface FileTools {
  readonly pool: WindowPool;
  readonly files: FileAccess;
}

/** How to quantize: the tensors that no rule keeps get `layout`. */
export interface Quantization {
  readonly layout: AffineLayout;
  /** The first one that fits a tensor keeps it as it is. */
  readonly rules: readonly TensorRule[];
  /** Whether to decode again and measure what was lost. */
  readonly measure: boolean;
}

/** A tensor's future, and the rule that is the reason when it is to stay as it is. */
interface Decision {
  readonly target: TensorTarget;
  readonly rule: string | null;
}

/** Quantizes the model at `source` and writes it to `sink`. Rejects with a `QuantizeError`; `sink` is untouched then. */
export function quantizeFile(
  tools: FileTools,
  source: ModelSource,
  sink: ModelSink,
  { layout, rules, measure }: Quantization,
  options: ConvertFileOptions,
): Promise<FileReport> {
  const decide = (tensor: StoredTensor): Decision => {
    if (tensor.storage.kind !== 'plain') {
      const detail = `it is quantized already (${affineLabel(tensor.storage)}); dequantize it first`;
      throw invalidFile(tensor.storage.packed.source, detail, { layer: tensor.name });
    }
    const rule = keepingRule(rules, tensor);
    return rule === null
      ? { target: { kind: 'affine', ...layout }, rule: null }
      : { target: { kind: 'plain', dtype: tensor.dtype }, rule: rule.name };
  };
  return convertFile(tools, source, sink, decide, options, measure);
}

/** Restores the quantized tensors of the model at `source`, as `dtype` or what they were before, and writes it to `sink`. */
export function dequantizeFile(
  tools: FileTools,
  source: ModelSource,
  sink: ModelSink,
  dtype: FloatType | null,
  options: ConvertFileOptions,
): Promise<FileReport> {
  const decide = ({ storage, dtype: original }: StoredTensor): Decision =>
    storage.kind === 'plain'
      ? { target: { kind: 'plain', dtype: original }, rule: 'not quantized' }
      : { target: { kind: 'plain', dtype: dtype ?? original }, rule: null };
  return convertFile(tools, source, sink, decide, options, false);
}

async function convertFile(
  { pool, files }: FileTools,
  source: ModelSource,
  sink: ModelSink,
  decide: (tensor: StoredTensor) => Decision,
  options: ConvertFileOptions,
  measure: boolean,
): Promise<FileReport> {
  const clock = new Clock();
  const signal = options.signal ?? undefined;
  if (signal?.aborted === true) throw new QuantizeError('aborted', { cause: signal.reason });
  const container = containerFor(endpointName(sink));
  const model = await openModel(await files.openSource(source, signal));
  try {
    const steps = model.tensors.map((tensor) => stepFor(tensor, decide(tensor)));
    const tracker = new Tracker(steps, options, clock);
    const fileBytes = await convert(
      {
        steps,
        inputs: model.sources,
        container,
        sink,
        metadata: model.metadata,
        measure,
        signal,
        events: tracker,
      },
      pool,
      files,
    );
    const elements = steps.reduce((count, { stored }) => count + stored.elements, 0);
    const tensors = [...tracker.reports].sort(byName);
    const totals = totalsOf(tensors, elements, fileBytes, clock.seconds);
    return { input: endpointName(source), output: endpointName(sink), tensors, totals };
  } finally {
    await model.close();
  }
}

function stepFor(stored: StoredTensor, { target, rule }: Decision): Step {
  const { name, dtype, shape, elements } = stored;
  return { stored, planned: { name, dtype, shape, elements, target }, rule };
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
  readonly #options: ConvertFileOptions;
  readonly #clock: Clock;
  readonly #tensors: number;
  readonly #bytes: number;
  #done = 0;

  constructor(steps: readonly Step[], options: ConvertFileOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
    this.#tensors = steps.length;
    this.#bytes = steps.reduce((bytes, { stored }) => bytes + storedBytes(stored.storage), 0);
    this.#tell(options.onEvent, { type: 'start', tensors: this.#tensors, bytes: this.#bytes });
  }

  advanced({ stored }: Step, bytes: number): void {
    this.#done += bytes;
    const done = Math.min(this.#bytes, Math.round(this.#done));
    const { seconds } = this.#clock;
    this.#tell(this.#options.onEvent, { type: 'bytes', tensor: stored.name, done, bytes: this.#bytes, seconds });
  }

  finished({ stored, planned, rule }: Step, metrics: TensorMetrics | null): void {
    const report = tensorReport(stored, planned, rule, metrics);
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
