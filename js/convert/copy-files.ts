import type { OutputFile } from '../containers/container.js';
import { abortError } from '../errors.js';
import type { ByteSource, ByteWriter } from '../io/byte-io.js';

/** What is read of a file at a time. */
const PIECE_BYTES = 2 ** 20;

/** Writes those of an output's files that are copies of others. */
export async function copyFiles(
  files: readonly OutputFile[],
  writers: readonly ByteWriter[],
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const [index, { copyOf }] of files.entries()) {
    const writer = writers[index];
    if (copyOf !== undefined && writer !== undefined) await copyFile(copyOf, writer, signal);
  }
}

async function copyFile(source: ByteSource, writer: ByteWriter, signal: AbortSignal | undefined): Promise<void> {
  for (let begin = 0; begin < source.size; begin += PIECE_BYTES) {
    if (signal?.aborted === true) throw abortError(signal.reason);
    const bytes = Math.min(PIECE_BYTES, source.size - begin);
    await writer.reserve(begin, bytes);
    await writer.write(await readPiece(source, begin, bytes), begin);
  }
}

async function readPiece(source: ByteSource, begin: number, bytes: number): Promise<Uint8Array> {
  if (source.readAside !== undefined) return source.readAside(begin, bytes);
  const piece = new Uint8Array(bytes);
  await source.read(piece, begin);
  return piece;
}
