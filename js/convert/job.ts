import type { Place } from '../containers/container.js';
import type { ByteWriter } from '../io/byte-io.js';
import type { TensorParts } from '../layouts/layout.js';
import type { TensorMetrics } from '../pipeline/metrics.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import type { PlannedStep } from '../plan/report.js';

/** What the entries of a tensor are made of, and how many bytes each has. */
export interface PlacedParts extends TensorParts {
  readonly entryBytes: readonly number[];
}

/** A step, and where the entries of its tensor go: one place for each. */
export interface PlacedStep extends PlannedStep {
  readonly places: readonly [Place, ...Place[]];
  /** Null where the entries are the planes of its codec. */
  readonly parts: PlacedParts | null;
}

/** What the functions that treat one tensor need. */
export interface TensorJob {
  readonly step: PlacedStep;
  readonly pipeline: Pipeline;
  readonly output: PlaneWriter;
  readonly measure: boolean;
  /** As in ConversionEvents. */
  readonly advanced: (bytes: number) => void;
  readonly finished: (metrics: TensorMetrics | null) => Promise<void>;
  /** Something of the tensor has become infinite, or is NaN; called before it is finished. */
  readonly overflowed: () => void;
}

/** Takes the planes, or the entries, of one tensor, to wherever they go. */
export interface PlaneWriter {
  /** Called before anything else; only writers have it that keep planes in memory. */
  begin?(): Promise<void>;
  /** Waits for room, as ByteWriter.reserve does, for the bytes of the first plane that a piece of work will write. */
  reserve(begin: number, bytes: number): Promise<void>;
  /** Writes bytes of a plane, which may lie in a window. */
  write(plane: number, bytes: Uint8Array, begin: number): Promise<void>;
  /** Writes what is made of all planes, once these are there; only writers have it that make something of them. */
  complete?(): Promise<void>;
  /** The pieces of work that write the tensor have all been started; `done` resolves when they have ended well. */
  end(pipeline: Pipeline, done: Promise<void>): Promise<void>;
}

/** Every plane goes straight to its place. */
export class DirectWriter implements PlaneWriter {
  readonly #files: (file: number) => ByteWriter;
  readonly #places: PlacedStep['places'];

  constructor({ places }: PlacedStep, files: (file: number) => ByteWriter) {
    this.#files = files;
    this.#places = places;
  }

  reserve(begin: number, bytes: number): Promise<void> {
    const [{ file, position }] = this.#places;
    return this.#files(file).reserve(position + begin, bytes);
  }

  write(plane: number, bytes: Uint8Array, begin: number): Promise<void> {
    const place = this.#places[plane];
    if (place === undefined) throw new RangeError(`there is no place for plane ${plane}`);
    return this.#files(place.file).write(bytes, place.position + begin);
  }

  end(): Promise<void> {
    return Promise.resolve();
  }
}

/** A value that is there when its promise resolves. It never rejects: who waits for it looks at failures otherwise. */
export class Completion<Value> {
  readonly promise: Promise<Value>;
  #resolve: (value: Value) => void = () => undefined;

  constructor() {
    this.promise = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  resolve(value: Value): void {
    this.#resolve(value);
  }
}
