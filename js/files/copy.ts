import { WINDOW_WEIGHTS } from '../wasm/windows.js';
import type { ByteRange } from './io.js';
import type { TensorJob } from './convert.js';
import { located } from './tensor-windows.js';

/** A window's input holds this many bytes. */
const PIECE_BYTES = WINDOW_WEIGHTS * 4;

/** Copies a tensor that stays as it is, in pieces that go through the windows' memory. */
export async function copyTensor(job: TensorJob, data: ByteRange): Promise<void> {
  const { place, sink, pipeline } = job;
  let unfinished = Math.max(1, Math.ceil(data.bytes / PIECE_BYTES));
  for (let begin = 0, pieces = unfinished; pieces > 0; begin += PIECE_BYTES, --pieces) {
    const bytes = Math.min(PIECE_BYTES, data.bytes - begin);
    await pipeline.start(async (window) => {
      await located(job.stored, 0, async () => {
        const piece = window.input(WINDOW_WEIGHTS, { kind: 'float', type: 'F32' }).subarray(0, bytes);
        await data.source.read(piece, data.begin + begin);
        await sink.write(piece, place.data + begin);
      });
      job.advanced(bytes);
      if (--unfinished === 0) await job.finished(null);
    });
  }
}
