import { planeBytes, traitsOf, type Codec, type ElementType } from '../codecs/codec.js';
import type { ByteRange, ByteWriter } from '../io/byte-io.js';
import { storedBytes, targetBytes } from '../layouts/tensor.js';
import { readRanges } from '../io/read-ranges.js';
import { metricsOf, type TensorMetrics } from '../pipeline/metrics.js';
import { inputOf } from '../pipeline/piece-input.js';
import type { Piece } from '../pipeline/pipeline.js';
import { BundleError, type BundlePart, type ErrorSums, type LeasedWindow } from '../wasm/windows.js';
import type { PlacedStep } from './job.js';
import { encodeOptions, isCopy, restoredError } from './transcode.js';
import { located, sourceCodecOf } from '../pipeline/stretches.js';

/** A tensor of more bytes, before or after, is a piece of work of its own. */
const MOST_TENSOR_BYTES = 2 ** 16;
/** What a bundle reads at most, and what it writes: little enough that several are under way at once. */
const MOST_BUNDLE_BYTES = 2 ** 19;
/** Bytes between two tensors that are rather read than read around. */
const MOST_GAP_BYTES = 2 ** 8;
/** Each tensor takes some memory of the window to be aligned in. */
const MOST_TENSORS = 4096;
/** Places in the input that are read apart from each other. */
const MOST_READS = 64;
/** Runs begin at multiples of this in a window. */
const RUN_ALIGNMENT = 64;
/** More than GGUF files have between two tensors. */
const MOST_PADDING_BYTES = 64;

/** Small tensors that are read, worked on and written together: each by itself would cost more than its weights do. */
export interface Bundle {
  readonly steps: readonly PlacedStep[];
}

/** Whether a step is small enough, and simple enough, to go into a bundle. */
function isSmall({ stored, planned }: PlacedStep): boolean {
  const { target, elements } = planned;
  if (elements === 0 || stored.planes.some((plane) => plane.length !== 1)) return false;
  const bytes = Math.max(storedBytes(stored), targetBytes(elements, target));
  return bytes <= MOST_TENSOR_BYTES && elements * 4 <= MOST_TENSOR_BYTES;
}

/** Whether a tensor's bytes follow those of another, near enough to be read with them. */
function isNextTo(before: PlacedStep | undefined, { stored }: PlacedStep): boolean {
  const last = before?.stored.planes.at(-1)?.[0];
  const first = stored.planes[0]?.[0];
  if (last === undefined || first?.source !== last.source) return false;
  const gap = first.begin - last.begin - last.bytes;
  return gap >= 0 && gap <= MOST_GAP_BYTES;
}

/** The steps in their order, with neighbours that are small, and are not to be by themselves, in bundles. */
export function bundled(steps: readonly PlacedStep[], isAlone: (step: PlacedStep) => boolean): (PlacedStep | Bundle)[] {
  const result: (PlacedStep | Bundle)[] = [];
  let open: PlacedStep[] = [];
  let read = 0;
  let written = 0;
  let jumps = 0;
  const close = (): void => {
    const [first, ...others] = open;
    if (first !== undefined) result.push(others.length === 0 ? first : { steps: open });
    [open, read, written, jumps] = [[], 0, 0, 0];
  };
  for (const step of steps) {
    if (!isSmall(step) || isAlone(step)) {
      close();
      result.push(step);
      continue;
    }
    const reads = storedBytes(step.stored);
    const writes = targetBytes(step.planned.elements, step.planned.target);
    const isFull =
      read + reads > MOST_BUNDLE_BYTES ||
      written + writes > MOST_BUNDLE_BYTES ||
      open.length === MOST_TENSORS ||
      jumps >= MOST_READS;
    if (isFull || open[0]?.places[0].file !== step.places[0].file) close();
    if (!isNextTo(open.at(-1), step)) jumps += step.stored.planes.length;
    open.push(step);
    read += reads;
    written += writes;
  }
  close();
  return result;
}

/** A run of bytes of a file, and where in a half of the window it lies. */
interface Run {
  readonly begin: number;
  bytes: number;
  readonly offset: number;
}

/** Where everything of a bundle lies: in the files that it is read from, in the window, and in the file that it goes to. */
interface BundleLayout {
  readonly reads: readonly ByteRange[];
  readonly readOffsets: readonly number[];
  readonly inputOffsets: ReadonlyMap<PlacedStep, readonly number[]>;
  readonly writes: readonly Run[];
  readonly outputOffsets: ReadonlyMap<PlacedStep, readonly number[]>;
}

/** A plane of one of the bundle's tensors: where it lies in its file. */
interface PlaneAt {
  readonly step: PlacedStep;
  readonly plane: number;
  readonly begin: number;
  readonly bytes: number;
  /** Kernels read and write numbers at multiples of their size. */
  readonly elementBytes: number;
}

const ELEMENT_BYTES: Readonly<Record<ElementType, number>> = { U8: 1, F32: 4, F16: 2, BF16: 2, F8_E4M3: 1, F8_E5M2: 1 };

const elementBytesOf = (codec: Codec | null, plane: number): number =>
  codec === null ? 1 : ELEMENT_BYTES[traitsOf(codec).planes[plane]?.element ?? 'U8'];

/** Runs of planes that lie close together, and where in a half of the window each plane lies then. */
function runsOf(
  planes: readonly PlaneAt[],
  mostGap: (before: PlaneAt, after: PlaneAt) => number,
): { readonly runs: Run[]; readonly offsets: Map<PlacedStep, number[]> } {
  const runs: Run[] = [];
  const offsets = new Map<PlacedStep, number[]>();
  let before: PlaneAt | undefined;
  let free = 0;
  for (const one of [...planes].sort((a, b) => a.begin - b.begin)) {
    let run = runs.at(-1);
    const gap = run === undefined ? Infinity : one.begin - run.begin - run.bytes;
    const isAskew = run !== undefined && (one.begin - run.begin) % one.elementBytes !== 0;
    if (run === undefined || before === undefined || isAskew || gap > mostGap(before, one)) {
      const offset = Math.ceil(free / RUN_ALIGNMENT) * RUN_ALIGNMENT;
      run = { begin: one.begin, bytes: 0, offset };
      runs.push(run);
    }
    run.bytes = one.begin + one.bytes - run.begin;
    free = run.offset + run.bytes;
    const own = offsets.get(one.step) ?? [];
    own[one.plane] = run.offset + one.begin - run.begin;
    offsets.set(one.step, own);
    before = one;
  }
  return { runs, offsets };
}

/** Which plane follows which in the output: what lies between two such planes is padding. */
export type Follows = (
  before: { readonly step: PlacedStep; readonly plane: number },
  after: { readonly step: PlacedStep; readonly plane: number },
) => boolean;

function layOut({ steps }: Bundle, follows: Follows): BundleLayout {
  const sources = new Map<ByteRange['source'], PlaneAt[]>();
  for (const step of steps) {
    for (const [plane, [range]] of step.stored.planes.entries()) {
      if (range === undefined) continue;
      const planes = sources.get(range.source) ?? [];
      const elementBytes = elementBytesOf(step.stored.codec, plane);
      planes.push({ step, plane, begin: range.begin, bytes: range.bytes, elementBytes });
      sources.set(range.source, planes);
    }
  }
  const reads: ByteRange[] = [];
  const readOffsets: number[] = [];
  const inputOffsets = new Map<PlacedStep, number[]>();
  let base = 0;
  for (const [source, planes] of sources) {
    const { runs, offsets } = runsOf(planes, () => MOST_GAP_BYTES);
    for (const { begin, bytes, offset } of runs) {
      reads.push({ source, begin, bytes });
      readOffsets.push(base + offset);
    }
    for (const [step, own] of offsets) {
      // Others of its planes may lie in other sources.
      const all = inputOffsets.get(step) ?? [];
      own.forEach((offset, plane) => {
        all[plane] = base + offset;
      });
      inputOffsets.set(step, all);
    }
    base = Math.ceil(((readOffsets.at(-1) ?? 0) + (reads.at(-1)?.bytes ?? 0)) / RUN_ALIGNMENT) * RUN_ALIGNMENT;
  }
  const written = steps.flatMap(outputPlanes);
  const { runs, offsets } = runsOf(written, (before, after) => (follows(before, after) ? MOST_PADDING_BYTES : 0));
  return { reads, readOffsets, inputOffsets, writes: runs, outputOffsets: offsets };
}

const outputPlanes = (step: PlacedStep): PlaneAt[] =>
  step.places.map(({ position }, plane) => {
    const { elements, target } = step.planned;
    const bytes = target.kind === 'codec' ? planeBytes(target.codec, plane, elements) : target.bytes;
    const codec = target.kind === 'codec' ? target.codec : null;
    return { step, plane, begin: position, bytes, elementBytes: elementBytesOf(codec, plane) };
  });

/** What a bundle needs besides its steps. */
export interface BundleJob {
  readonly file: ByteWriter;
  readonly measure: boolean;
  readonly follows: Follows;
  /** All of the bundle is written. */
  readonly finished: (metrics: readonly (TensorMetrics | null)[]) => Promise<void>;
}

/** The piece of work that a bundle is. Null where it would not be written in one go, but its file takes bytes in order only. */
export function bundlePiece(bundle: Bundle, job: BundleJob, inOrder: boolean): Piece | null {
  const layout = layOut(bundle, job.follows);
  if (inOrder && layout.writes.length !== 1) return null;
  let metrics: readonly (TensorMetrics | null)[] = [];
  return {
    reserve: async () => {
      for (const { begin, bytes } of layout.writes) await job.file.reserve(begin, bytes);
    },
    input: inputOf(
      layout.reads,
      (window) => {
        const input = window.inputBytes();
        return layout.reads.map(({ bytes }, index) => {
          const offset = layout.readOffsets[index] ?? 0;
          return input.subarray(offset, offset + bytes);
        });
      },
      readRanges,
    ),
    work: async (window) => {
      metrics = await transcodeBundle(bundle, layout, job, window);
      const output = window.outputBytes();
      await window.transfer(() =>
        layout.writes.map(({ begin, bytes, offset }) => job.file.write(output.subarray(offset, offset + bytes), begin)),
      );
    },
    end: () => job.finished(metrics),
  };
}

async function transcodeBundle(
  { steps }: Bundle,
  layout: BundleLayout,
  { measure }: BundleJob,
  window: LeasedWindow,
): Promise<readonly (TensorMetrics | null)[]> {
  const input = window.inputBytes();
  const output = window.outputBytes();
  for (const { offset, bytes } of layout.writes) output.fill(0, offset, offset + bytes);
  const parts: BundlePart[] = [];
  const transcoded: PlacedStep[] = [];
  for (const step of steps) {
    const part = partOf(step, layout, measure);
    if (part === null) copyPlanes(step, layout, input, output);
    else {
      parts.push(part);
      transcoded.push(step);
    }
  }
  const sums = parts.length === 0 ? [] : await running(transcoded, () => window.transcodeBundle(parts));
  const lost = new Map(transcoded.map((step, index) => [step, sums[index] ?? null]));
  return steps.map((step) => metricsFor(step, lost.get(step) ?? null));
}

/** Null where the bytes are copied as they are. */
function partOf(step: PlacedStep, layout: BundleLayout, measure: boolean): BundlePart | null {
  const { stored, planned } = step;
  if (stored.codec === null || planned.target.kind !== 'codec' || isCopy(stored, planned.target.codec)) return null;
  const target = planned.target.codec;
  return {
    weights: planned.elements,
    source: sourceCodecOf(stored),
    inputOffsets: layout.inputOffsets.get(step) ?? [],
    target,
    outputOffsets: layout.outputOffsets.get(step) ?? [],
    options: encodeOptions({ step, measure }, target),
  };
}

function copyPlanes(step: PlacedStep, layout: BundleLayout, input: Uint8Array, output: Uint8Array): void {
  const to = layout.outputOffsets.get(step) ?? [];
  for (const [plane, from] of (layout.inputOffsets.get(step) ?? []).entries()) {
    const bytes = step.stored.planes[plane]?.[0]?.bytes ?? 0;
    output.set(input.subarray(from, from + bytes), to[plane] ?? 0);
  }
}

async function running(
  steps: readonly PlacedStep[],
  work: () => Promise<readonly (ErrorSums | null)[]>,
): Promise<readonly (ErrorSums | null)[]> {
  try {
    return await work();
  } catch (error) {
    const step = error instanceof BundleError ? steps[error.part] : undefined;
    if (step === undefined || step.stored.codec === null || step.planned.target.kind !== 'codec') throw error;
    throw located(step.stored, 0, restoredError(step.stored, step.planned.target.codec, error));
  }
}

const metricsFor = ({ planned }: PlacedStep, sums: ErrorSums | null): TensorMetrics | null =>
  sums === null ? null : metricsOf([sums], planned.elements);
