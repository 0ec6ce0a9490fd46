/** Tensors whose entries are not simply a codec's planes: some are kept in memory, and made into entries at the end. */

import { cutsOf, stretchesOf } from '../pipeline/stretches.js';
import { codecNamed, planeBytes, traitsOf, type Codec } from '../codecs/codec.js';
import type { FinishingTools } from '../layouts/layout.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import { Completion, type PlacedParts, type PlaneWriter } from './job.js';

/** What planes that are kept may take in memory at once; only those of a single tensor go beyond it. */
export class KeptRoom {
  readonly mostBytes: number;
  readonly #waiting: { readonly bytes: number; readonly grant: () => void }[] = [];
  #usedBytes = 0;

  constructor(mostBytes: number) {
    this.mostBytes = mostBytes;
  }

  /** Waits for room, in the order of the calls. */
  take(bytes: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ bytes, grant: resolve });
      this.#grant();
    });
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes;
    this.#grant();
  }

  #grant(): void {
    for (;;) {
      const [first] = this.#waiting;
      if (first === undefined || (this.#usedBytes > 0 && this.#usedBytes + first.bytes > this.mostBytes)) return;
      this.#waiting.shift();
      this.#usedBytes += first.bytes;
      first.grant();
    }
  }
}

/** A tensor that is written in parts. */
export interface FinishedTensor {
  readonly parts: PlacedParts;
  /** By plane, the bytes of all of the tensor. */
  readonly planeBytes: readonly number[];
}

/** Passes planes on as the entries that they are, and makes the other entries when all planes are there. */
export class FinishingWriter implements PlaneWriter {
  readonly #output: PlaneWriter;
  readonly #tensor: FinishedTensor;
  readonly #pipeline: Pipeline;
  readonly #room: KeptRoom;
  readonly #entries: ReadonlyMap<number, number>;
  readonly #kept = new Map<number, Uint8Array>();

  /** `output` takes entries in the place of planes. */
  constructor(output: PlaneWriter, tensor: FinishedTensor, pipeline: Pipeline, room: KeptRoom) {
    this.#output = output;
    this.#tensor = tensor;
    this.#pipeline = pipeline;
    this.#room = room;
    this.#entries = new Map(
      tensor.parts.contents.flatMap((content, entry) => (typeof content === 'number' ? [[content, entry]] : [])),
    );
  }

  get #keptBytes(): number {
    return this.#tensor.parts.kept.reduce((sum, plane) => sum + (this.#tensor.planeBytes[plane] ?? 0), 0);
  }

  async begin(): Promise<void> {
    await this.#pipeline.whenDone(this.#room.take(this.#keptBytes));
    for (const plane of this.#tensor.parts.kept) {
      this.#kept.set(plane, new Uint8Array(this.#tensor.planeBytes[plane] ?? 0));
    }
  }

  reserve(begin: number, bytes: number): Promise<void> {
    return this.#entries.get(0) === 0 ? this.#output.reserve(begin, bytes) : Promise.resolve();
  }

  write(plane: number, bytes: Uint8Array, begin: number): Promise<void> {
    this.#kept.get(plane)?.set(bytes, begin);
    const entry = this.#entries.get(plane);
    return entry === undefined ? Promise.resolve() : this.#output.write(entry, bytes, begin);
  }

  async complete(): Promise<void> {
    const { contents, kept, make } = this.#tensor.parts;
    const planes = kept.map((plane) => this.#kept.get(plane) ?? new Uint8Array());
    const made = (await make?.(planes, toolsOf(this.#pipeline))) ?? [];
    let next = 0;
    for (const [entry, content] of contents.entries()) {
      if (typeof content === 'number') continue;
      const bytes = content === 'made' ? made[next++] : content;
      if (bytes === undefined || bytes.length !== this.#tensor.parts.entryBytes[entry]) {
        throw new RangeError(`entry ${entry} has not the bytes that were planned`);
      }
      await this.#output.write(entry, bytes, 0);
    }
    this.#kept.clear();
    this.#room.give(this.#keptBytes);
  }

  end(pipeline: Pipeline, done: Promise<void>): Promise<void> {
    return this.#output.end(pipeline, done);
  }
}

const toolsOf = (pipeline: Pipeline): FinishingTools => ({
  encode: (values, codec) => encodeValues(pipeline, values, codec),
});

const F32 = codecNamed('F32');

/** The planes of values as one row. The codec needs no extent of the whole. */
async function encodeValues(pipeline: Pipeline, values: Float32Array, codec: Codec): Promise<readonly Uint8Array[]> {
  const planes = traitsOf(codec).planes.map((_, plane) => new Uint8Array(planeBytes(codec, plane, values.length)));
  const done = new Completion<void>();
  const stretches = stretchesOf(values.length, unitOfGroups(codec));
  let unfinished = stretches.length;
  for (const stretch of stretches) {
    const { first, weights } = stretch;
    await pipeline.start({
      work: async (window) => {
        const [input] = window.input(weights, F32);
        input?.set(new Uint8Array(values.buffer, values.byteOffset + first * 4, weights * 4));
        const encoded = await window.transcode(weights, { codec: F32 }, codec, { rowWeights: values.length });
        for (const [plane, { begin }] of cutsOf(codec, stretch).entries()) {
          planes[plane]?.set(encoded.planes[plane] ?? [], begin);
        }
        if (--unfinished === 0) done.resolve();
      },
    });
  }
  await pipeline.whenDone(done.promise);
  return planes;
}

/** Whole groups, and whole bytes of each plane. */
const unitOfGroups = ({ groupSize }: Codec): number => Math.max(groupSize, 256) * 8;
