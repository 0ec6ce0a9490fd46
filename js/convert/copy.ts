import { WINDOW_WEIGHTS, type LeasedWindow } from '../wasm/windows.js';
import type { TensorJob } from './convert.js';
import type { ByteRange } from '../io/byte-io.js';
import type { Piece } from './pipeline.js';
import { inputOf, readRange, type InputRange } from './stretch-input.js';

/** A window's input holds this many bytes. */
const PIECE_BYTES = WINDOW_WEIGHTS * 4;

/** Copies a tensor that stays as it is, in pieces. */
export async function copyTensor(job: TensorJob, data: ByteRange): Promise<void> {
  const { place, sink, pipeline } = job;
  let unfinished = Math.max(1, Math.ceil(data.bytes / PIECE_BYTES));
  for (let begin = 0, pieces = unfinished; pieces > 0; begin += PIECE_BYTES, --pieces) {
    const bytes = Math.min(PIECE_BYTES, data.bytes - begin);
    const position = place.data + begin;
    const write = (piece: Uint8Array): Promise<void> => sink.write(piece, position);
    const copy = pieceOf({ source: data.source, position: data.begin + begin, bytes }, write, async () => {
      job.advanced(bytes);
      if (--unfinished === 0) await job.finished(null);
    });
    await pipeline.start({ ...copy, reserve: () => sink.reserve(position, bytes) });
  }
}

/** Copies a range through the memory of a window, or through the memory in which the source gives it. */
function pieceOf(range: InputRange, write: (piece: Uint8Array) => Promise<void>, end: () => Promise<void>): Piece {
  if (range.source.readAside === undefined) {
    const viewOf = (window: LeasedWindow): Uint8Array =>
      window.input(WINDOW_WEIGHTS, { kind: 'float', type: 'F32' }).subarray(0, range.bytes);
    return {
      input: inputOf([range], (window) => [viewOf(window)]),
      work: (window) => window.transfer(() => [write(viewOf(window))]),
      end,
    };
  }
  let piece: Uint8Array = new Uint8Array();
  const readAside = async (): Promise<void> => {
    piece = await readRange(range);
  };
  return {
    input: { readAside, fill: () => Promise.resolve() },
    end: async () => {
      await write(piece);
      await end();
    },
  };
}
