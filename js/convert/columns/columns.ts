import { codecBytes, isFloat, type Codec } from '../../codecs/codec.js';
import { QuantizeError } from '../../errors.js';
import type { ByteRange } from '../../io/byte-io.js';
import { readRanges } from '../../io/read-ranges.js';
import { storedBytes, type CodedTensor } from '../../layouts/tensor.js';
import { metricsOf } from '../../pipeline/metrics.js';
import { inputOf } from '../../pipeline/piece-input.js';
import type { PieceInput } from '../../pipeline/pipeline.js';
import { located, rangesOf } from '../../pipeline/stretches.js';
import type { ColumnBlocks } from '../../plan/report.js';
import type { ErrorSums, LeasedWindow } from '../../wasm/windows.js';
import { Completion, type TensorJob } from '../job.js';
import type { KeptRoom } from '../finish.js';
import { BandBuffer } from './band-buffer.js';
import type { PartBuffer, WrittenEntry } from './part-buffer.js';
import { StripBuffer } from './strip-buffer.js';
import { cutMatrix, type MatrixPart, type Tile } from './strips.js';

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
 * Starts the pieces that encode the matrix, part by part: tiles of it are encoded in windows, and their units put together in
 * memory in the order of the output, which is written when all of a part is there.
 */
export async function encodeColumns(work: ColumnJob): Promise<void> {
  const { job, tensor, target, matrix, room } = work;
  const done = new Completion<void>();
  const parts = cutMatrix(matrix, target, room.mostBytes);
  const sums: (readonly ErrorSums[])[] = [];
  let unfinished = parts.length;
  for (const [index, part] of parts.entries()) {
    await startPart(work, part, async (lost) => {
      sums[index] = lost;
      if (--unfinished > 0) return;
      done.resolve();
      await job.finished(job.measure ? metricsOf(sums.flat(), tensor.elements) : null);
    });
  }
  await job.output.end(job.pipeline, done.promise);
}

/** Starts the pieces of a part when there is room for what is put together of it. */
async function startPart(
  work: ColumnJob,
  part: MatrixPart,
  finished: (lost: readonly ErrorSums[]) => Promise<void>,
): Promise<void> {
  const { job, tensor, matrix, room } = work;
  const { pipeline } = job;
  const bytes = part.tiles.reduce((sum, tile) => sum + planesBytes(work.target, tile), 0);
  await pipeline.whenDone(room.take(bytes));
  let buffer: PartBuffer | null = null;
  const sums: ErrorSums[] = [];
  let missing = part.tiles.length;
  for (const [order, tile] of part.tiles.entries()) {
    await pipeline.start({
      input: inputOfTile(tensor, tile, matrix),
      work: async (window) => {
        // Not before it is needed: pieces wait for windows.
        buffer ??= bufferFor(part, work);
        const lost = await encodeTile(work, tile, window, buffer);
        if (lost !== null) sums[order] = lost;
      },
      end: async () => {
        job.advanced((tile.rows * tile.strip.columns * storedBytes(tensor)) / tensor.elements);
        if (--missing > 0) return;
        await writeEntries(job, buffer?.entries() ?? []);
        buffer = null;
        room.give(bytes);
        await finished(sums);
      },
    });
  }
}

/** Entries that the output does not have are not written. */
async function writeEntries({ step, output }: TensorJob, entries: readonly WrittenEntry[]): Promise<void> {
  for (const [entry, { bytes, begin }] of entries.slice(0, step.places.length).entries()) {
    await output.write(entry, bytes, begin);
  }
}

const bufferFor = ({ first }: MatrixPart, { target, matrix }: ColumnJob): PartBuffer =>
  matrix.order === 'columns'
    ? new StripBuffer(first.strip, target, Math.ceil(matrix.rows / target.groupSize))
    : new BandBuffer(first, target, matrix.columns);

const planesBytes = (codec: Codec, { strip, filledRows }: Tile): number =>
  codecBytes(codec, strip.columns * filledRows);

/** The rows of a tile, each of which is a run of its own unless the strip has all columns. */
function inputOfTile(
  tensor: CodedTensor,
  { strip, firstRow, rows, filledRows }: Tile,
  { columns }: ColumnBlocks,
): PieceInput {
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
  tile: Tile,
  window: LeasedWindow,
  buffer: PartBuffer,
): Promise<ErrorSums | null> {
  const { strip, firstRow, filledRows } = tile;
  const options = {
    ...{ measure: job.measure, effort: job.step.effort, importance: job.step.importance, checked: isFloat(target) },
    ...{ rowWeights: strip.columns, firstRow, rows: matrix.encodedRows },
  };
  try {
    const weights = filledRows * strip.columns;
    const { planes, error } = await window.transcode(weights, { codec: tensor.codec }, target, options);
    buffer.put(tile, planes);
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
