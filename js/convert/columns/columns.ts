import type { Codec } from '../../codecs/codec.js';
import { isFloat, planeBytes } from '../../codecs/codec.js';
import { QuantizeError } from '../../errors.js';
import type { ByteRange } from '../../io/byte-io.js';
import { readRanges } from '../../io/read-ranges.js';
import { storedBytes, type CodedTensor } from '../../layouts/tensor.js';
import { metricsOf } from '../../pipeline/metrics.js';
import { inputOf } from '../../pipeline/piece-input.js';
import { located, rangesOf } from '../../pipeline/stretches.js';
import type { ColumnBlocks } from '../../plan/report.js';
import type { ErrorSums, LeasedWindow } from '../../wasm/windows.js';
import { Completion, type TensorJob } from '../job.js';
import type { KeptRoom } from '../finish.js';
import { StripBuffer, type StripForm } from './strip-buffer.js';
import { cutMatrix, type Tile } from './strips.js';

/** A matrix on its way into blocks that run down its columns. */
export interface ColumnJob {
  readonly job: TensorJob;
  readonly tensor: CodedTensor;
  readonly target: Codec;
  readonly matrix: ColumnBlocks;
  /** What is put together of columns takes of it. */
  readonly room: KeptRoom;
}

/**
 * Starts the pieces that encode the matrix, strip by strip: tiles of it are encoded in windows, and their units put together
 * column by column in memory, which is written when all rows are there.
 */
export async function encodeColumns(work: ColumnJob): Promise<void> {
  const { job, tensor, target, matrix, room } = work;
  const { pipeline, output, step } = job;
  const { blocks, strips } = cutMatrix(matrix, target, room.mostBytes / 2);
  const form = { codec: target, blocks, entries: step.places.length };
  const sums: ErrorSums[][] = strips.map(() => []);
  const bytesPerWeight = storedBytes(tensor) / tensor.elements;
  const done = new Completion<void>();
  let unfinished = strips.length;
  for (const [index, { strip, tiles }] of strips.entries()) {
    const buffer = new LateBuffer(() => new StripBuffer(strip, form));
    const bytes = strip.columns * bytesOfColumn(form);
    await pipeline.whenDone(room.take(bytes));
    let missing = tiles.length;
    for (const [order, tile] of tiles.entries()) {
      await pipeline.start({
        input: inputOfTile(tensor, tile, matrix),
        work: async (window) => {
          const lost = await encodeTile(work, tile, window, buffer.get());
          if (lost !== null) (sums[index] ?? [])[order] = lost;
        },
        end: async () => {
          job.advanced(tile.rows * strip.columns * bytesPerWeight);
          if (--missing > 0) return;
          for (const [entry, one] of buffer.get().entries().entries()) await output.write(entry, one.bytes, one.begin);
          buffer.drop();
          room.give(bytes);
          if (--unfinished > 0) return;
          done.resolve();
          const all = sums.flat();
          await job.finished(job.measure ? metricsOf(all, tensor.elements) : null);
        },
      });
    }
  }
  await output.end(pipeline, done.promise);
}

/** A buffer that is there from the first tile that needs it until it is written. */
class LateBuffer {
  readonly #make: () => StripBuffer;
  #buffer: StripBuffer | null = null;

  constructor(make: () => StripBuffer) {
    this.#make = make;
  }

  get(): StripBuffer {
    return (this.#buffer ??= this.#make());
  }

  drop(): void {
    this.#buffer = null;
  }
}

const bytesOfColumn = ({ codec, blocks }: StripForm): number =>
  [0, 1, 2].reduce((sum, plane) => sum + blocks * planeBytes(codec, plane, codec.groupSize), 0);

/** The rows of a tile, each of which is a run of its own unless the strip has all columns. */
function inputOfTile(tensor: CodedTensor, { strip, firstRow, rows, filledRows }: Tile, { columns }: ColumnBlocks) {
  const [plane = []] = tensor.planes;
  const width = storedBytes(tensor) / tensor.elements;
  const runBytes = strip.columns * width;
  const isWhole = strip.columns === columns;
  const ranges: ByteRange[] = isWhole
    ? rangesOf(plane, { begin: firstRow * runBytes, bytes: rows * runBytes })
    : Array.from({ length: rows }, (_, row) => {
        const begin = ((firstRow + row) * columns + strip.first) * width;
        return rangesOf(plane, { begin, bytes: runBytes });
      }).flat();
  return inputOf(
    ranges,
    (window) => {
      const [view = new Uint8Array()] = window.input(filledRows * strip.columns, tensor.codec);
      view.fill(0, rows * runBytes);
      let at = 0;
      return ranges.map(({ bytes }) => view.subarray(at, (at += bytes)));
    },
    readRanges,
  );
}

async function encodeTile(
  { tensor, target, matrix, job }: ColumnJob,
  { strip, firstRow, filledRows }: Tile,
  window: LeasedWindow,
  buffer: StripBuffer,
): Promise<ErrorSums | null> {
  const options = {
    ...{ measure: job.measure, effort: job.step.effort, checked: isFloat(target) },
    ...{ rowWeights: strip.columns, firstRow, rows: matrix.encodedRows },
  };
  try {
    const weights = filledRows * strip.columns;
    const { planes, error } = await window.transcode(weights, { codec: tensor.codec }, target, options);
    buffer.put({ strip, firstRow, rows: filledRows, filledRows }, planes);
    return error;
  } catch (error) {
    throw locatedInTile(tensor, error, { strip, firstRow }, matrix);
  }
}

/** The error of a tile, with an index that counts from the tensor's first weight. */
function locatedInTile(
  tensor: CodedTensor,
  error: unknown,
  { strip, firstRow }: Pick<Tile, 'strip' | 'firstRow'>,
  { columns }: ColumnBlocks,
): unknown {
  if (!(error instanceof QuantizeError) || error.index === undefined) return located(tensor, 0, error);
  const row = firstRow + Math.floor(error.index / strip.columns);
  const first = row * columns + strip.first + (error.index % strip.columns) - error.index;
  return located(tensor, first, error);
}
