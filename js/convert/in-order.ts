import { planeBytes } from '../codecs/codec.js';
import { QuantizeError, quoted } from '../errors.js';
import type { ByteWriter, PlannedPiece } from '../io/byte-io.js';
import { targetBytes } from '../layouts/tensor.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import { DirectWriter, type PlacedStep, type PlaneWriter } from './job.js';

/**
 * Outputs that take bytes in order only. The first plane of a tensor goes out window by window; the others, which are small
 * and lie behind it, are put together in memory and follow. Where a tensor's planes lie apart, because of alignment, all of
 * it is kept in memory until its turn comes, at the end.
 */
export interface OrderedSteps {
  /** In the order in which they are worked on. */
  readonly steps: readonly PlacedStep[];
  /** The last of them, whose planes lie apart, or among those of others. */
  readonly apart: ReadonlySet<PlacedStep>;
}

/** Bytes of each of the planes, or entries, that a step writes. */
const planesOf = ({ planned: { target, elements }, places, parts }: PlacedStep): readonly number[] =>
  parts?.entryBytes ??
  places.map((_, plane) => (target.kind === 'codec' ? planeBytes(target.codec, plane, elements) : target.bytes));

/** The steps whose planes follow each other, with nothing of another tensor among them. */
function lyingTogether(steps: readonly PlacedStep[]): ReadonlySet<PlacedStep> {
  const planes = steps.flatMap((step) => {
    const bytes = planesOf(step);
    // An empty one may lie anywhere.
    return step.places.flatMap(({ position }, plane) => ((bytes[plane] ?? 0) > 0 ? [{ step, plane, position }] : []));
  });
  planes.sort((a, b) => a.position - b.position);
  const apart = new Set<PlacedStep>();
  const seen = new Set<PlacedStep>();
  for (const [index, { step, plane }] of planes.entries()) {
    const before = planes[index - 1];
    const follows = before?.step === step ? before.plane < plane : !seen.has(step);
    if (!follows) apart.add(step);
    seen.add(step);
  }
  return new Set(steps.filter((step) => !apart.has(step)));
}

const firstByte = ({ places }: PlacedStep): number => Math.min(...places.map(({ position }) => position));

/** Throws `invalid_option` where more would have to be kept in memory than `mostBytes`. */
export function orderSteps(steps: readonly PlacedStep[], mostBytes: number): OrderedSteps {
  const together = lyingTogether(steps);
  const begin = steps.reduce(
    (least, step) => (together.has(step) ? least : Math.min(least, firstByte(step))),
    Infinity,
  );
  // What lies among such tensors waits with them.
  const apart = steps.filter((step) => firstByte(step) >= begin);
  const keptBytes = apart.reduce((sum, { planned }) => sum + targetBytes(planned.elements, planned.target), 0);
  const [first] = apart;
  if (first !== undefined && keptBytes > mostBytes)
    throw tooMuchKept(first, keptBytes, 'of tensors of odd sizes such as');
  for (const step of steps) {
    const later = planesOf(step)
      .slice(1)
      .reduce((sum, bytes) => sum + bytes, 0);
    if (later > mostBytes) throw tooMuchKept(step, later, 'of scales and the like of');
  }
  const set = new Set(apart);
  return { steps: [...steps.filter((step) => !set.has(step)), ...apart], apart: set };
}

const tooMuchKept = ({ stored, planned }: PlacedStep, bytes: number, what: string): QuantizeError =>
  new QuantizeError('invalid_option', {
    layer: stored.name,
    detail:
      `a stream takes bytes in order only, and ${bytes} bytes ${what} ${quoted(planned.name)} would have to wait in memory; ` +
      'write to a file, or in larger groups',
  });

/** What will be written, in the order of the bytes. */
export function orderedPieces({ steps, apart }: OrderedSteps): PlannedPiece[] {
  const together = steps.filter((step) => !apart.has(step)).flatMap(piecesOfStep);
  const last = [...apart].flatMap(piecesOfStep).sort((a, b) => a.begin - b.begin);
  // An empty one may lie anywhere.
  return [...together, ...last].filter(({ bytes }) => bytes > 0);
}

const piecesOfStep = (step: PlacedStep): PlannedPiece[] => {
  const bytes = planesOf(step);
  return step.places.map(({ position }, plane) => ({ begin: position, bytes: bytes[plane] ?? 0 }));
};

/** Keeps the planes behind the first one until that is written. */
export class InOrderWriter implements PlaneWriter {
  readonly #file: ByteWriter;
  readonly #direct: DirectWriter;
  readonly #step: PlacedStep;
  readonly #kept: Uint8Array[];

  constructor(file: ByteWriter, step: PlacedStep) {
    this.#file = file;
    this.#direct = new DirectWriter(step, () => file);
    this.#step = step;
    this.#kept = planesOf(step).map((bytes, plane) => new Uint8Array(plane === 0 ? 0 : bytes));
  }

  reserve(begin: number, bytes: number): Promise<void> {
    return this.#direct.reserve(begin, bytes);
  }

  write(plane: number, bytes: Uint8Array, begin: number): Promise<void> {
    if (plane === 0) return this.#direct.write(plane, bytes, begin);
    this.#kept[plane]?.set(bytes, begin);
    return Promise.resolve();
  }

  async end(pipeline: Pipeline, done: Promise<void>): Promise<void> {
    const kept = this.#kept.slice(1);
    if (kept.length === 0) return;
    // There may be something between two of them: each waits for room of its own, after the one before.
    let reserved: readonly Promise<void>[] = [];
    await pipeline.start({
      isFree: true,
      reserve: async () => {
        reserved = kept.map((plane, index) => this.#reserve(index + 1, plane.length));
        await reserved[0];
      },
      end: async () => {
        await pipeline.whenDone(done);
        for (const [index, plane] of kept.entries()) {
          await reserved[index];
          await this.#direct.write(index + 1, plane, 0);
        }
      },
    });
  }

  #reserve(plane: number, bytes: number): Promise<void> {
    const reserved = this.#file.reserve(this.#step.places[plane]?.position ?? 0, bytes);
    // Whoever waits for it hears of a failure; when the call has failed before, nobody does.
    reserved.catch(() => undefined);
    return reserved;
  }
}

/** Keeps all planes of tensors that lie apart, and writes them in the order of their bytes. */
export class KeptWriter {
  readonly #file: ByteWriter;
  readonly #kept: { readonly position: number; readonly bytes: Uint8Array }[] = [];
  readonly #done: Promise<void>[] = [];

  constructor(file: ByteWriter) {
    this.#file = file;
  }

  writerFor(step: PlacedStep): PlaneWriter {
    const planes = planesOf(step).map((bytes) => new Uint8Array(bytes));
    for (const [plane, bytes] of planes.entries()) {
      const place = step.places[plane];
      if (place !== undefined) this.#kept.push({ position: place.position, bytes });
    }
    return {
      reserve: () => Promise.resolve(),
      write: (plane, bytes, begin) => {
        planes[plane]?.set(bytes, begin);
        return Promise.resolve();
      },
      end: (_, done) => {
        this.#done.push(done);
        return Promise.resolve();
      },
    };
  }

  /** Writes what is kept, once all of it is there. */
  async flush(pipeline: Pipeline): Promise<void> {
    const inOrder = this.#kept.sort((a, b) => a.position - b.position);
    const [first] = inOrder;
    const last = inOrder.at(-1);
    if (first === undefined || last === undefined) return;
    const all = last.position + last.bytes.length - first.position;
    await pipeline.start({
      isFree: true,
      reserve: () => this.#file.reserve(first.position, all),
      end: async () => {
        await pipeline.whenDone(Promise.all(this.#done));
        for (const { position, bytes } of inOrder) await this.#file.write(bytes, position);
      },
    });
  }
}
