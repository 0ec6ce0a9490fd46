import { storedBytes } from '../layouts/tensor.js';
import { inputOf, readRange } from '../pipeline/piece-input.js';
import type { Piece } from '../pipeline/pipeline.js';
import type { ByteRange } from '../io/byte-io.js';
import type { LeasedWindow } from '../wasm/windows.js';
import { Completion, type TensorJob } from './job.js';

/** What is copied at a time; the input half of a window holds more. */
const PIECE_BYTES = 4 * 2 ** 20;

/** A stretch of one of the tensor's planes. */
interface Part {
  readonly range: ByteRange;
  readonly plane: number;
  readonly begin: number;
}

/** Copies the planes of a tensor that stays as it is, in pieces. */
export async function copyTensor(job: TensorJob): Promise<void> {
  const { output, pipeline, step } = job;
  const parts = partsOf(job);
  const done = new Completion<void>();
  let unfinished = parts.length;
  await output.begin?.();
  for (const part of parts) {
    const { range, plane, begin } = part;
    const copy = pieceOf(range, (bytes) => output.write(plane, bytes, begin));
    await pipeline.start({
      ...copy,
      reserve: () => (plane === 0 ? output.reserve(begin, range.bytes) : Promise.resolve()),
      end: async () => {
        await copy.end?.();
        job.advanced(range.bytes);
        if (--unfinished > 0) return;
        await output.complete?.();
        done.resolve();
        await job.finished(null);
      },
    });
  }
  if (storedBytes(step.stored) === 0) await job.finished(null);
  else await output.end(pipeline, done.promise);
}

const partsOf = ({ step: { stored } }: TensorJob): Part[] =>
  stored.planes.flatMap((ranges, plane) => {
    let reached = 0;
    return ranges.flatMap(({ source, begin, bytes }) => {
      const from = reached;
      reached += bytes;
      return Array.from({ length: Math.ceil(bytes / PIECE_BYTES) }, (_, index): Part => {
        const offset = index * PIECE_BYTES;
        const range = { source, begin: begin + offset, bytes: Math.min(PIECE_BYTES, bytes - offset) };
        return { range, plane, begin: from + offset };
      });
    });
  });

/** Copies a range through the memory of a window, or through the memory in which the source gives it. */
function pieceOf(range: ByteRange, write: (piece: Uint8Array) => Promise<void>): Piece {
  if (range.source.readAside === undefined) {
    const viewOf = (window: LeasedWindow): Uint8Array => window.inputBytes().subarray(0, range.bytes);
    return {
      input: inputOf([range], (window) => [viewOf(window)]),
      work: (window) => window.transfer(() => [write(viewOf(window))]),
    };
  }
  let piece: Uint8Array = new Uint8Array();
  const readAside = async (): Promise<void> => {
    piece = await readRange(range);
  };
  return {
    input: { readAside, fill: () => Promise.resolve() },
    end: () => write(piece),
  };
}
