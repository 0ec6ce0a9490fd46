/** One quantizer and the model that is open, in the worker. */

import {
  ArrowQuant,
  QuantizeError,
  type FileEvent,
  type FilePlan,
  type Inspection,
  type ModelSource,
  type OpenedModel,
  type QuantizeFileOptions,
  type TensorReport,
  type WebOptions,
} from 'arrowquant';
import { LANGUAGE_FOLDER, sampleFiles, type SampleFile, type SampleKind } from '../sample/samples.mjs';
import { layerView, type LayerView } from './layer-view';
import { openOutput } from './output';
import type { EngineInfo, LocalModel, Outcome, Progress, Source, Target } from './protocol';

/** Milliseconds between progress messages: often enough to look alive, seldom enough to cost nothing. */
const PROGRESS_INTERVAL = 100;

export class Session {
  readonly #tell: (progress: Progress) => void;
  #quantizer: Promise<ArrowQuant> | null = null;
  #source: Source | null = null;
  /** Its header is read once for plans and views. */
  #model: OpenedModel | null = null;
  /** Opened when it is looked at. */
  #result: { readonly source: ModelSource; opened: Promise<OpenedModel> | null } | null = null;
  #job: AbortController | null = null;
  #opening = new AbortController();

  constructor(tell: (progress: Progress) => void) {
    this.#tell = tell;
  }

  async start(): Promise<EngineInfo> {
    const { backend, threads } = await this.#ready();
    return { backend, threads, cores: navigator.hardwareConcurrency, isolated: self.crossOriginIsolated };
  }

  async makeSample(kind: SampleKind): Promise<LocalModel> {
    const files: File[] = [];
    for (const sample of sampleFiles(kind)) files.push(await sampleFile(sample));
    const isFolder = kind === 'language';
    return { files, paths: isFolder ? files.map(({ name }) => `${LANGUAGE_FOLDER}/${name}`) : [] };
  }

  /** The one before ends, also when it is still being opened: requests come whenever they like. */
  async open(source: Source): Promise<Inspection> {
    const signal = this.#supersede();
    const quantizer = await this.#ready();
    if (!isAborted(signal)) await this.#close();
    if (isAborted(signal)) throw new QuantizeError('aborted');
    const model = await quantizer.open(modelSource(placed(source)), { ...webOptions(source), signal });
    if (isAborted(signal)) {
      await model.close();
      throw new QuantizeError('aborted');
    }
    this.#source = source;
    this.#model = model;
    const { file, container, files, metadata, tensors, elements, bytes } = model;
    return { file, container, files, metadata, tensors, elements, bytes };
  }

  /** Forgets the model, and with it what was given to read it. */
  async close(): Promise<null> {
    this.#supersede();
    await this.#close();
    return null;
  }

  async plan(options: QuantizeFileOptions): Promise<FilePlan> {
    return this.#opened().model.plan(options);
  }

  async quantize(options: QuantizeFileOptions, target: Target): Promise<Outcome> {
    const quantizer = await this.#ready();
    const { source } = this.#opened();
    const job = new AbortController();
    this.#job = job;
    await this.#closeResult();
    const output = await openOutput(target);
    try {
      const meter = new ProgressMeter(this.#tell);
      const report = await quantizer.quantizeFile(modelSource(source), output.sink, {
        ...options,
        ...webOptions(source),
        signal: job.signal,
        onEvent: (event) => {
          meter.take(event);
        },
      });
      meter.flush();
      const { source: made, ...finished } = await output.finish();
      this.#result = { source: made, opened: null };
      return { report, ...finished };
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
    const { model } = this.#opened();
    const result = await this.#openedResult();
    return layerView(name, shape, {
      before: (begin, end) => model.read(name, { begin, end }),
      after: (begin, end) => result.read(outputName, { begin, end }),
    });
  }

  /** Ends what is being opened. Gives the signal of what is opened next. */
  #supersede(): AbortSignal {
    this.#opening.abort();
    this.#opening = new AbortController();
    return this.#opening.signal;
  }

  async #close(): Promise<void> {
    const model = this.#model;
    this.#source = null;
    this.#model = null;
    // Both at once: whatever comes while it waits belongs to another model.
    await Promise.all([model?.close(), this.#closeResult()]);
  }

  async #closeResult(): Promise<void> {
    const opened = this.#result?.opened;
    this.#result = null;
    await opened?.then(
      (result) => result.close(),
      () => undefined,
    );
  }

  async #openedResult(): Promise<OpenedModel> {
    const result = this.#result;
    if (result === null) throw new QuantizeError('unreadable_input', { detail: 'there is no result yet' });
    const quantizer = await this.#ready();
    result.opened ??= quantizer.open(result.source);
    try {
      return await result.opened;
    } catch (error) {
      result.opened = null;
      throw error;
    }
  }

  #ready(): Promise<ArrowQuant> {
    this.#quantizer ??= ArrowQuant.create();
    return this.#quantizer;
  }

  #opened(): { readonly source: Source; readonly model: OpenedModel } {
    if (this.#source === null || this.#model === null) {
      throw new QuantizeError('unreadable_input', { detail: 'no model is open' });
    }
    return { source: this.#source, model: this.#model };
  }
}

/** Asked again after a wait. */
const isAborted = ({ aborted }: AbortSignal): boolean => aborted;

/** Piece by piece, so that the worker answers other requests meanwhile. */
async function sampleFile({ name, pieces }: SampleFile): Promise<File> {
  const parts: Blob[] = [];
  for (const piece of pieces) {
    parts.push(new Blob([piece]));
    await new Promise((resolve) => setTimeout(resolve));
  }
  return new File(parts, name);
}

/** Gives the files back where they lie. */
function placed(source: Source): Source {
  if ('address' in source) return source;
  for (const [index, path] of source.paths.entries()) {
    const file = source.files[index];
    if (file !== undefined) Object.defineProperty(file, 'webkitRelativePath', { value: path });
  }
  return source;
}

const modelSource = (source: Source): ModelSource => ('address' in source ? source.address : source.files);

const webOptions = (source: Source): WebOptions =>
  'address' in source ? { accessToken: source.accessToken, hubUrl: source.hubUrl } : {};

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
      const { done, bytes, seconds, tensor, bytesPerSecond, secondsLeft, downloadedBytes } = event;
      this.#latest = {
        ...{ doneBytes: done, totalBytes: bytes, seconds, bytesPerSecond, secondsLeft, tensor },
        downloadedBytes,
      };
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
