import { planeBytes, traitsOf } from '../codecs/codec.js';
import type { FileLayout } from '../containers/container.js';
import { abortError } from '../errors.js';
import type { ByteSink, ByteSource, ByteWriter, PlannedPiece } from '../io/byte-io.js';
import type { OutputLayout } from '../layouts/layout.js';
import { storedBytes, targetBytes } from '../layouts/tensor.js';
import type { TensorMetrics } from '../pipeline/metrics.js';
import { Pipeline, type PipelineTools } from '../pipeline/pipeline.js';
import { part } from '../part.js';
import type { PlannedStep } from '../plan/report.js';
import { bundlePiece, bundled, type Bundle, type Follows } from './bundle.js';
import { copyTensor } from './copy.js';
import { InOrderWriter, KeptWriter, orderedPieces, type OrderedSteps } from './in-order.js';
import { FinishingWriter, KeptRoom } from './finish.js';
import { DirectWriter, type PlacedParts, type PlacedStep, type PlaneWriter, type TensorJob } from './job.js';
import { copyFiles } from './copy-files.js';
import type { Digesting } from './digests.js';
import {
  isCopy,
  mergeRanges,
  needsFirstPass,
  startScan,
  transcodeTensor,
  type Extents,
  type Transcoding,
} from './transcode.js';
import type { WeightRange } from '../wasm/windows.js';

export interface Conversion {
  /** In the order in which they are worked on. */
  readonly steps: readonly PlacedStep[];
  /** Where the output takes bytes in order only. */
  readonly ordered: OrderedSteps | null;
  readonly layout: FileLayout;
  /** Whether to measure what the converted tensors lost. */
  readonly measure: boolean;
  /** What planes may take in memory that are kept until their tensors are finished. */
  readonly keptBytes: number;
  /** Windows for the work, and what ends it. */
  readonly tools: PipelineTools;
  readonly events: ConversionEvents;
}

/** What is known of a tensor that is written. */
export interface FinishedTensor {
  readonly metrics: TensorMetrics | null;
  /** Whether some of it is infinite or NaN that the type cannot hold otherwise. */
  readonly overflowed: boolean;
}

/** Called as the conversion goes on, never after a failure or an abort; must not throw. */
export interface ConversionEvents {
  /** `bytes` more bytes of the input have been dealt with. */
  advanced(step: PlannedStep, bytes: number): void;
  /** All of the tensor is written; `metrics` is null where nothing was measured. */
  finished(step: PlannedStep, { metrics, overflowed }: FinishedTensor): void;
}

/** The steps in the order in which their bytes lie in the output. */
export function placedSteps(
  steps: readonly PlannedStep[],
  { places }: FileLayout,
  layout: Pick<OutputLayout, 'entriesOf' | 'partsOf'>,
): PlacedStep[] {
  const placed = steps.map((step, index): PlacedStep => {
    const [first, ...others] = places[index] ?? [];
    if (first === undefined) throw new RangeError(`the layout has no place for ${step.stored.name}`);
    return { ...step, places: [first, ...others], parts: partsOf(step, layout) };
  });
  return placed.sort((a, b) => a.places[0].file - b.places[0].file || a.places[0].position - b.places[0].position);
}

function partsOf({ planned }: PlannedStep, layout: Pick<OutputLayout, 'entriesOf' | 'partsOf'>): PlacedParts | null {
  const parts = layout.partsOf?.(planned) ?? null;
  return parts === null ? null : { ...parts, entryBytes: layout.entriesOf(planned).map(({ bytes }) => bytes) };
}

/** What is going to be written, in the order of the work. */
export function piecesOf(
  steps: readonly PlacedStep[],
  ordered: OrderedSteps | null,
  layout: FileLayout,
): PlannedPiece[] {
  const header = layout.files.slice(0, 1).map((file) => ({ begin: 0, bytes: file.header.length }));
  if (ordered !== null) return [...header, ...orderedPieces(ordered)];
  const tensors = steps.map(({ planned, places }) => ({
    begin: places[0].position,
    bytes: targetBytes(planned.elements, planned.target),
  }));
  return [...header, ...tensors].filter(({ bytes }) => bytes > 0);
}

/**
 * Writes the output of a conversion of `sources` into an opened sink, and commits it. Memory is bounded by the tools' limit
 * whatever the sizes of tensors and files. The output has its final name only when complete; after a failure or an abort it
 * is as it was before.
 */
export async function convert(conversion: Conversion, sources: readonly ByteSource[], output: ByteSink): Promise<void> {
  const { layout, tools } = conversion;
  const { signal } = tools;
  try {
    const { sink, finish } = await digesting(output, layout);
    for (const [index, { header, literals = [] }] of layout.files.entries()) {
      await writeHeader(writerOf(sink, index), header);
      // What takes bytes in order has been told of them.
      if (conversion.ordered !== null) continue;
      for (const { bytes, position } of literals) await writerOf(sink, index).write(bytes, position);
    }
    await copyFiles(layout.files, sink.files, signal);
    await convertTensors(conversion, sink);
    await finish();
    for (const source of sources) await source.checkUnchanged();
    await sink.commit(() => {
      if (signal?.aborted === true) throw abortError(signal.reason);
    });
  } catch (error) {
    // What was written of two versions of an input must not be kept, whatever else has failed.
    await output.discard((await changeOf(sources)) ?? error);
    throw error;
  }
}

/** The sink, and what is to be done when all tensors are written: sums, where files have some of other ones. */
async function digesting(sink: ByteSink, { files, digests }: FileLayout): Promise<Digesting> {
  if (digests === undefined) return { sink, finish: () => Promise.resolve() };
  const { withDigests } = await part(() => import('./digests.js'));
  return withDigests(sink, files, digests);
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
  const { tools } = conversion;
  const fail = (error: unknown): void => {
    sink.stop(error);
    tools.fail(error);
  };
  await Pipeline.run({ ...tools, fail }, (pipeline) => new Run(conversion, sink, pipeline).start());
}

/** A tensor whose extent is being found, before any of it is encoded. */
interface Scanned {
  readonly transcoding: Transcoding;
  readonly ranges: readonly Promise<WeightRange>[];
}

/** The work of a conversion: one step, or one bundle of steps, after the other. */
class Run {
  readonly #conversion: Conversion;
  readonly #sink: ByteSink;
  readonly #pipeline: Pipeline;
  readonly #completed: ReadonlyMap<string, FinishedTensor>;
  readonly #overflowed = new Set<PlacedStep>();
  readonly #kept: KeptWriter;
  readonly #extents: Extents = new Map();
  readonly #keptRoom: KeptRoom;

  constructor(conversion: Conversion, sink: ByteSink, pipeline: Pipeline) {
    this.#conversion = conversion;
    this.#sink = sink;
    this.#pipeline = pipeline;
    this.#completed = completedTensors(sink);
    this.#kept = new KeptWriter(writerOf(sink, 0));
    this.#keptRoom = new KeptRoom(conversion.keptBytes);
  }

  async start(): Promise<void> {
    const { steps } = this.#conversion;
    // While one tensor is scanned, the one before it is encoded: nothing waits for the last piece of a pass.
    let scanned: Scanned | null = null;
    const encodeScanned = async (): Promise<void> => {
      if (scanned === null) return;
      const { transcoding, ranges } = scanned;
      scanned = null;
      const found = await this.#pipeline.whenDone(Promise.all(ranges));
      await transcodeTensor(transcoding, found.reduce(mergeRanges));
    };
    for (const one of this.#grouped(steps)) {
      const transcoding = 'steps' in one ? null : this.#transcodingOf(one);
      if (transcoding !== null && needsFirstPass(transcoding)) {
        const ranges = await startScan(transcoding, this.#extents);
        await encodeScanned();
        scanned = { transcoding, ranges };
        continue;
      }
      await encodeScanned();
      if ('steps' in one) await this.#startBundle(one);
      else await this.#startStep(one, transcoding);
    }
    await encodeScanned();
    await this.#kept.flush(this.#pipeline);
  }

  #grouped(steps: readonly PlacedStep[]): (PlacedStep | Bundle)[] {
    const apart = this.#conversion.ordered?.apart ?? new Set();
    const isAlone = (step: PlacedStep): boolean =>
      apart.has(step) ||
      step.places.some(({ file }) => file !== step.places[0].file) ||
      step.parts !== null ||
      step.columns !== undefined ||
      step.rangeOf !== undefined ||
      step.overflows === true ||
      step.places.some(({ file }) => file !== step.places[0].file) ||
      this.#completed.has(step.stored.name);
    return bundled(steps, isAlone);
  }

  /** Null where there is nothing to transcode: it is copied, empty, or there already. */
  #transcodingOf(step: PlacedStep): Transcoding | null {
    const { stored, planned } = step;
    if (this.#completed.has(stored.name) || planned.elements === 0) return null;
    if (stored.codec === null || planned.target.kind !== 'codec' || isCopy(stored, planned.target.codec)) return null;
    return { job: this.#jobFor(step), tensor: stored, target: planned.target.codec };
  }

  async #startStep(step: PlacedStep, transcoding: Transcoding | null): Promise<void> {
    const { stored } = step;
    const completed = this.#completed.get(stored.name);
    if (completed !== undefined) {
      return this.#pipeline.start({
        end: async () => {
          this.#advance(step, storedBytes(stored));
          if (completed.overflowed) this.#overflowed.add(step);
          await this.#finish([step], [completed.metrics]);
        },
      });
    }
    if (transcoding !== null && step.columns !== undefined) {
      const { encodeColumns } = await part(() => import('./columns/columns.js'));
      return encodeColumns({ ...transcoding, matrix: step.columns, room: this.#keptRoom });
    }
    if (transcoding !== null) return transcodeTensor(transcoding);
    if (step.planned.elements === 0) return this.#finish([step], [null]);
    return copyTensor(this.#jobFor(step));
  }

  async #startBundle(bundle: Bundle): Promise<void> {
    const [first] = bundle.steps;
    if (first === undefined) return;
    const { measure, ordered } = this.#conversion;
    const piece = bundlePiece(
      bundle,
      {
        file: writerOf(this.#sink, first.places[0].file),
        ...{ measure, follows: this.#follows() },
        finished: async (metrics) => {
          for (const step of bundle.steps) this.#advance(step, storedBytes(step.stored));
          await this.#finish(bundle.steps, metrics);
        },
      },
      ordered !== null,
    );
    if (piece !== null) return this.#pipeline.start(piece);
    for (const step of bundle.steps) await this.#startStep(step, this.#transcodingOf(step));
  }

  #jobFor(step: PlacedStep): TensorJob {
    return {
      ...{ step, pipeline: this.#pipeline, measure: this.#conversion.measure, output: this.#writerFor(step) },
      advanced: (bytes) => {
        this.#advance(step, bytes);
      },
      finished: (metrics) => this.#finish([step], [metrics]),
      overflowed: () => {
        this.#overflowed.add(step);
      },
    };
  }

  #writerFor(step: PlacedStep): PlaneWriter {
    const writer = this.#entryWriterFor(step);
    const { parts, planned } = step;
    if (parts === null || planned.target.kind !== 'codec') return writer;
    const { codec } = planned.target;
    const tensor = {
      parts,
      planeBytes: traitsOf(codec).planes.map((_, plane) => planeBytes(codec, plane, planned.elements)),
    };
    return new FinishingWriter(writer, tensor, this.#pipeline, this.#keptRoom);
  }

  #entryWriterFor(step: PlacedStep): PlaneWriter {
    const { ordered } = this.#conversion;
    if (ordered?.apart.has(step) === true) return this.#kept.writerFor(step);
    if (ordered !== null && step.places.length > 1)
      return new InOrderWriter(writerOf(this.#sink, step.places[0].file), step);
    return new DirectWriter(step, (file) => writerOf(this.#sink, file));
  }

  #advance(step: PlacedStep, bytes: number): void {
    if (this.#goesOn()) this.#conversion.events.advanced(step, bytes);
  }

  async #finish(steps: readonly PlacedStep[], metrics: readonly (TensorMetrics | null)[]): Promise<void> {
    const { events } = this.#conversion;
    const finished = steps.map((step, index): FinishedTensor => ({
      metrics: metrics[index] ?? null,
      overflowed: this.#overflowed.has(step),
    }));
    await Promise.all(
      steps.map(({ stored }, index) => this.#sink.complete(JSON.stringify([stored.name, finished[index]]))),
    );
    for (const [index, step] of steps.entries()) {
      const one = finished[index];
      if (one !== undefined && this.#goesOn()) events.finished(step, one);
    }
  }

  #goesOn(): boolean {
    return !this.#pipeline.failed && this.#conversion.tools.signal?.aborted !== true;
  }

  /** Made when the first bundle asks for it. */
  #order: ReadonlyMap<PlacedStep, readonly number[]> | null = null;

  #follows(): Follows {
    // What lies between planes is no padding then.
    if (this.#conversion.layout.files.some(({ literals }) => literals !== undefined)) return () => false;
    const order = (this.#order ??= planeOrder(this.#conversion.steps));
    return (before, after) =>
      order.get(after.step)?.[after.plane] === (order.get(before.step)?.[before.plane] ?? NaN) + 1;
  }
}

/** The number of each plane in the order in which all of them lie in the output's files. */
function planeOrder(steps: readonly PlacedStep[]): ReadonlyMap<PlacedStep, readonly number[]> {
  const planes = steps.flatMap((step) => step.places.map((place, plane) => ({ step, plane, ...place })));
  planes.sort((a, b) => a.file - b.file || a.position - b.position);
  const order = new Map<PlacedStep, number[]>();
  for (const [index, { step, plane }] of planes.entries()) {
    const own = order.get(step) ?? [];
    own[plane] = index;
    order.set(step, own);
  }
  return order;
}

/** What an earlier run has written, and what it found. */
function completedTensors({ completed }: ByteSink): ReadonlyMap<string, FinishedTensor> {
  return new Map([...completed].map((text) => JSON.parse(text) as readonly [string, FinishedTensor]));
}
