/** One quantizer and the model that is open, in the worker. */

import {
  ArrowQuant,
  QuantizeError,
  type FileEvent,
  type FilePlan,
  type Inspection,
  type QuantizeFileOptions,
  type TensorReport,
} from 'arrowquant';
import { makeSample } from '../sample/sample';
import { layerView, type LayerView } from './layer-view';
import { openOutput } from './output';
import type { EngineInfo, Outcome, Progress, Source, Target } from './protocol';

/** Milliseconds between progress messages: often enough to look alive, seldom enough to cost nothing. */
const PROGRESS_INTERVAL = 100;

export class Session {
  readonly #tell: (progress: Progress) => void;
  #quantizer: Promise<ArrowQuant> | null = null;
  #files: Source | null = null;
  #result: File | null = null;
  #job: AbortController | null = null;

  constructor(tell: (progress: Progress) => void) {
    this.#tell = tell;
  }

  async start(): Promise<EngineInfo> {
    const { backend, threads } = await this.#ready();
    return { backend, threads, cores: navigator.hardwareConcurrency, isolated: self.crossOriginIsolated };
  }

  makeSample(): Promise<File> {
    return makeSample();
  }

  async open(files: Source): Promise<Inspection> {
    const quantizer = await this.#ready();
    this.#files = null;
    this.#result = null;
    const inspection = await quantizer.inspectFile(files);
    this.#files = files;
    return inspection;
  }

  async plan(options: QuantizeFileOptions): Promise<FilePlan> {
    const quantizer = await this.#ready();
    return quantizer.plan(this.#opened(), options);
  }

  async quantize(options: QuantizeFileOptions, target: Target): Promise<Outcome> {
    const quantizer = await this.#ready();
    const files = this.#opened();
    const job = new AbortController();
    this.#job = job;
    this.#result = null;
    const output = await openOutput(target);
    try {
      const meter = new ProgressMeter(this.#tell);
      const report = await quantizer.quantizeFile(files, output.sink, {
        ...options,
        signal: job.signal,
        onEvent: (event) => {
          meter.take(event);
        },
      });
      meter.flush();
      this.#result = await output.finish();
      return { report, file: this.#result };
    } catch (error) {
      await output.discard();
      throw error;
    } finally {
      this.#job = null;
    }
  }

  cancel(): Promise<null> {
    this.#job?.abort();
    return Promise.resolve(null);
  }

  async viewLayer(name: string, outputName: string, shape: readonly number[]): Promise<LayerView> {
    const quantizer = await this.#ready();
    const files = this.#opened();
    const result = this.#result;
    if (result === null) throw new QuantizeError('unreadable_input', { detail: 'there is no result yet' });
    return layerView(name, shape, {
      before: (begin, end) => quantizer.readTensor(files, name, { begin, end }),
      after: (begin, end) => quantizer.readTensor(result, outputName, { begin, end }),
    });
  }

  #ready(): Promise<ArrowQuant> {
    this.#quantizer ??= ArrowQuant.create();
    return this.#quantizer;
  }

  #opened(): Source {
    if (this.#files === null) throw new QuantizeError('unreadable_input', { detail: 'no model is open' });
    return this.#files;
  }
}

/** Gathers events into a few messages a second. */
class ProgressMeter {
  readonly #tell: (progress: Progress) => void;
  #latest: Omit<Progress, 'reports'> | null = null;
  #reports: TensorReport[] = [];
  #told = 0;

  constructor(tell: (progress: Progress) => void) {
    this.#tell = tell;
  }

  take(event: FileEvent): void {
    if (event.type === 'tensor') this.#reports.push(event.report);
    if (event.type === 'bytes') {
      const { done, bytes, seconds, tensor, bytesPerSecond, secondsLeft } = event;
      this.#latest = { doneBytes: done, totalBytes: bytes, seconds, bytesPerSecond, secondsLeft, tensor };
    }
    if (performance.now() - this.#told >= PROGRESS_INTERVAL) this.flush();
  }

  flush(): void {
    if (this.#latest === null) return;
    this.#told = performance.now();
    this.#tell({ ...this.#latest, reports: this.#reports });
    this.#reports = [];
  }
}
