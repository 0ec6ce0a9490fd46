import { endpointName, type WebFileHandle, type WritableFile } from '../endpoints.js';
import type { SinkPlan } from '../files/io.js';
import { BlobSource } from './blob-source.js';
import { checkAborted, unwritable, writeFailure } from './failures.js';
import { checkSinglePlan, RandomAccessSink, type OpenFile, type SingleSink } from './single-sink.js';

/** A FileSystemWritableFileStream: the file takes the bytes when it is closed. */
const openedFile = (file: WritableFile): OpenFile => ({
  isRevocable: false,
  // A copy: browsers refuse shared memory here, or write what it holds later.
  write: (bytes, position) => file.write({ type: 'write', position, data: bytes.slice() }),
  finish: () => file.close(),
  drop: (cause) => file.abort(cause),
});

/** Rejects for streams that are closed or locked; what the file held before is dropped when the sink is committed. */
export async function openWritableFile(
  file: WritableFile,
  plan: SinkPlan,
  name = endpointName(file),
): Promise<SingleSink> {
  checkSinglePlan(name, plan);
  checkAborted(plan.signal);
  if (file.locked) throw unwritable(name, 'the stream is locked: its writer has to be released first');
  try {
    // To nothing first, so that positions that are never written are zero.
    await file.truncate(0);
    await file.truncate(plan.bytes);
  } catch (error) {
    throw writeFailure(name, error);
  }
  return new RandomAccessSink(name, openedFile(file));
}

/** The file changes when the sink is committed, and not before. */
export async function openWebHandleSink(handle: WebFileHandle, plan: SinkPlan): Promise<SingleSink> {
  const { name } = handle;
  checkSinglePlan(name, plan);
  checkAborted(plan.signal);
  let file: WritableFile | null = null;
  try {
    for (const input of plan.inputs) {
      if (input instanceof BlobSource && input.origin !== null && (await input.origin.isSameEntry(handle))) {
        throw unwritable(name, 'it is the input');
      }
    }
    if (typeof handle.createWritable !== 'function') {
      throw unwritable(name, 'this browser cannot write to file handles; give a WritableStream');
    }
    file = await handle.createWritable();
    return await openWritableFile(file, plan, name);
  } catch (error) {
    await file?.abort(error).catch(() => undefined);
    throw writeFailure(name, error);
  }
}
